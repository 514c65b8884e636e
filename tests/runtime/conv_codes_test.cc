// SPDX-License-Identifier: Apache-2.0
// Convolutions on codes against the formula, on every table of vectors.
#include "runtime/codes.h"
#include "runtime/native/conv_i8.h"
#include "runtime/native/depthwise_conv_i8.h"
#include "runtime/native/kernels.h"
#include "runtime/run_graph.h"

namespace edgesmith::runtime {
namespace {

using ir::DType;

struct Case {
  int64_t samples, channels, height, width, out_channels, kernel_h, kernel_w, group = 1;
  std::vector<int64_t> strides = {1, 1}, pads = {0, 0, 0, 0}, dilations = {1, 1};
  DType input = DType::u8, output = DType::u8, weight = DType::i8;
  int32_t input_zero_point = 3, output_zero_point = 128;
  int32_t lo = 0, hi = 0;  // lo == hi: all codes of the dtype
  int limit = 127;
  bool bias = true;

  std::string text() const {
    std::string out = "x[" + std::to_string(samples) + "," + std::to_string(channels) + "," + std::to_string(height) +
                      "," + std::to_string(width) + "] m=" + std::to_string(out_channels) +
                      " k=" + std::to_string(kernel_h) + "x" + std::to_string(kernel_w) + " g=" + std::to_string(group);
    for (const int64_t v : strides) out += " s" + std::to_string(v);
    for (const int64_t v : pads) out += " p" + std::to_string(v);
    for (const int64_t v : dilations) out += " d" + std::to_string(v);
    return out + " " + std::string(ir::dtype_name(input)) + "*" + std::string(ir::dtype_name(weight)) + "->" +
           std::string(ir::dtype_name(output)) + " zero " + std::to_string(input_zero_point) + " limit " +
           std::to_string(limit);
  }
  int64_t out_height() const {
    return (height + pads[0] + pads[2] - (kernel_h - 1) * dilations[0] - 1) / strides[0] + 1;
  }
  int64_t out_width() const { return (width + pads[1] + pads[3] - (kernel_w - 1) * dilations[1] - 1) / strides[1] + 1; }
};

ir::Graph graph_of(const Case& c) {
  ir::Graph graph;
  ir::Value& x = graph.add_input("x", ir::type_of(DType::f32, {c.samples, c.channels, c.height, c.width}));
  x.set_quant(per_tensor(c.input, 0.02F, c.input_zero_point));
  ir::Value& w = graph.add_constant(
      random_weight({c.out_channels, c.channels / c.group, c.kernel_h, c.kernel_w}, 0, c.limit, 2, c.weight));
  std::vector<ir::Value*> operands = {&x, &w};
  if (c.bias) operands.push_back(&graph.add_constant(random_tensor({c.out_channels}, 3)));
  ir::Node& node = graph.append(ir::OpKind::conv, operands);
  node.attributes().set("strides", c.strides);
  node.attributes().set("pads", c.pads);
  node.attributes().set("dilations", c.dilations);
  node.attributes().set("group", c.group);
  const auto k = static_cast<float>(c.channels / c.group * c.kernel_h * c.kernel_w);
  node.output().set_quant(
      per_tensor(c.output, 0.01F * std::sqrt(k) * static_cast<float>(c.limit) / 127, c.output_zero_point));
  graph.add_output("y", node.output());
  const Status typed = ops::infer_types(graph);
  EXPECT_TRUE(typed.ok()) << (typed.ok() ? "" : typed.error().text());
  return graph;
}

integer::Form form_of(const Case& c, const ir::Node& node) {
  integer::Form form;
  form.node = &node;
  form.operands = {integer::code_type(&*node.input(0)->quant()), std::nullopt};
  if (c.bias) form.operands.emplace_back();
  form.result = *integer::code_type(&*node.output().quant());
  if (c.lo != c.hi) {
    form.result.lo = c.lo;
    form.result.hi = c.hi;
  }
  return form;
}

// The formula, channels last.
std::vector<int32_t> brute_force(const Case& c, const integer::WeightLayer& layer, const CodeBuffer& x) {
  const int64_t per_group = c.channels / c.group, group_out = c.out_channels / c.group;
  std::vector<int32_t> out;
  for (int64_t n = 0; n < c.samples; ++n) {
    for (int64_t y = 0; y < c.out_height(); ++y) {
      for (int64_t i = 0; i < c.out_width(); ++i) {
        for (int64_t m = 0; m < c.out_channels; ++m) {
          int32_t sum = layer.bias[static_cast<size_t>(m)];
          for (int64_t k = 0; k < layer.k; ++k) {
            const int64_t channel = m / group_out * per_group + k % per_group, tap = k / per_group;
            const int64_t row = y * c.strides[0] + tap / c.kernel_w * c.dilations[0] - c.pads[0];
            const int64_t column = i * c.strides[1] + tap % c.kernel_w * c.dilations[1] - c.pads[1];
            if (row < 0 || row >= c.height || column < 0 || column >= c.width) continue;
            const int64_t at = ((n * c.height + row) * c.width + column) * c.channels + channel;
            sum += (code_at(x, c.input, at) - c.input_zero_point) * layer.weight[static_cast<size_t>(m * layer.k + k)];
          }
          out.push_back(layer.requantize.code(sum, m));
        }
      }
    }
  }
  return out;
}

void check(const Case& c, Arithmetic arithmetic) {
  SCOPED_TRACE(c.text() + " " + std::string(arithmetic_word(arithmetic)));
  const ir::Graph graph = graph_of(c);
  const ir::Node& node = graph.output_node().input(0)->node();
  integer::Form form = form_of(c, node);
  form.arithmetic = arithmetic;
  const Kernel* kernel = find_kernel(form, Isa::scalar, false);
  const bool depthwise = c.group > 1 && c.group == c.channels && c.channels == c.out_channels;
  ASSERT_EQ(kernel, depthwise ? &native::kDepthwiseConvI8 : &native::kConvI8);
  const auto layer = integer::make_weight_layer(form);
  ASSERT_TRUE(layer.ok()) << layer.error().text();
  const CodeBuffer x = random_codes(c.samples * c.channels * c.height * c.width, 1);
  const ir::Tensor input = x.tensor(c.input, {c.samples, c.channels, c.height, c.width});
  const std::vector<int32_t> expected = brute_force(c, *layer, x);
  const ir::Dims dims = {c.samples, c.out_channels, c.out_height(), c.out_width()};
  const auto count = static_cast<int64_t>(expected.size());
  for (const NamedTable& t : code_tables()) {
    const auto prepared =
        depthwise ? native::prepare_depthwise_conv_i8(form, *t.table) : native::prepare_conv_i8(form, *t.table);
    ASSERT_TRUE(prepared.ok()) << prepared.error().text();
    std::vector<const ir::Tensor*> inputs = {&input, nullptr};
    const CodeBuffer y = run_row(*kernel, node, prepared->get(), inputs, dims, count, t.isa);
    int64_t wrong = 0;
    for (int64_t i = 0; i < count; ++i) wrong += code_at(y, c.output, i) != expected[static_cast<size_t>(i)] ? 1 : 0;
    EXPECT_EQ(wrong, 0) << "of " << count << " codes, " << t.name;
  }
}

void check(const Case& c) {
  check(c, Arithmetic::exact_i32);
  check(c, Arithmetic::tflite);
}

TEST(ConvCodes, AreTheFormulaForOddChannelCounts) {
  for (const int64_t channels : {1, 3, 7, 8, 15, 17, 31, 33}) {
    for (const int limit : {127, 64}) {
      check({.samples = 2,
             .channels = channels,
             .height = 9,
             .width = 5,
             .out_channels = 36 - channels,
             .kernel_h = 3,
             .kernel_w = 3,
             .pads = {1, 1, 1, 1},
             .limit = limit});
    }
  }
}

TEST(ConvCodes, AreTheFormulaForManyOutputs) {
  for (const int64_t outputs : {8, 16, 24, 32, 40, 48, 56, 64, 65, 96, 100, 130}) {
    check(
        {.samples = 1, .channels = 20, .height = 5, .width = 5, .out_channels = outputs, .kernel_h = 1, .kernel_w = 1});
  }
}

TEST(ConvCodes, AreTheFormulaForOddImages) {
  for (const int64_t size : {1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 50, 100}) {
    check({.samples = 3,
           .channels = 3,
           .height = 2,
           .width = size,
           .out_channels = 9,
           .kernel_h = 3,
           .kernel_w = 3,
           .pads = {1, 1, 1, 1}});
    check({.samples = 1, .channels = 5, .height = size, .width = 3, .out_channels = 17, .kernel_h = 1, .kernel_w = 3});
  }
}

TEST(ConvCodes, AreTheFormulaForStridesDilationsAndGroups) {
  for (const int64_t stride : {1, 2, 3}) {
    for (const int64_t dilation : {1, 2}) {
      for (const int64_t group : {1, 2, 6}) {
        check({.samples = 2,
               .channels = 12,
               .height = 11,
               .width = 13,
               .out_channels = 18,
               .kernel_h = 3,
               .kernel_w = 2,
               .group = group,
               .strides = {stride, 3 - stride / 2},
               .pads = {1, 0, 2, 1},
               .dilations = {dilation, 3 - dilation}});
      }
    }
  }
}

TEST(ConvCodes, AreTheFormulaForKernelsLargerThanTheImage) {
  check({.samples = 2,
         .channels = 4,
         .height = 2,
         .width = 1,
         .out_channels = 5,
         .kernel_h = 5,
         .kernel_w = 7,
         .pads = {2, 3, 2, 3}});
  check({.samples = 1,
         .channels = 2,
         .height = 1,
         .width = 1,
         .out_channels = 3,
         .kernel_h = 3,
         .kernel_w = 3,
         .strides = {2, 2},
         .pads = {4, 5, 3, 4}});
}

TEST(ConvCodes, AreTheFormulaForEveryZeroPointSignAndClamp) {
  for (const DType input : {DType::u8, DType::i8}) {
    for (const DType output : {DType::u8, DType::i8}) {
      for (const int32_t zero_point : {0, 3, 128, 255}) {
        const int32_t in = input == DType::i8 ? zero_point - 128 : zero_point;
        const int32_t out = output == DType::i8 ? zero_point - 128 : zero_point;
        Case c = {
            .samples = 1, .channels = 6, .height = 6, .width = 7, .out_channels = 19, .kernel_h = 3, .kernel_w = 3};
        c.pads = {1, 1, 1, 1};
        c.input = input;
        c.output = output;
        c.input_zero_point = in;
        c.output_zero_point = out;
        check(c);
        c.lo = output == DType::i8 ? -20 : 100;
        c.hi = output == DType::i8 ? 70 : 201;
        check(c);
      }
    }
  }
}

TEST(ConvCodes, TakeUnsignedWeightsWithZeroPoints) {
  check({.samples = 1,
         .channels = 9,
         .height = 4,
         .width = 5,
         .out_channels = 21,
         .kernel_h = 3,
         .kernel_w = 3,
         .pads = {1, 1, 1, 1},
         .weight = DType::u8});
}

TEST(ConvCodes, WriteBandsWhenTheImageIsLarge) {
  check({.samples = 2,
         .channels = 32,
         .height = 80,
         .width = 70,
         .out_channels = 4,
         .kernel_h = 3,
         .kernel_w = 3,
         .strides = {2, 1},
         .pads = {1, 1, 1, 1}});
}

TEST(ConvCodes, TakeOneSpatialAxis) {
  Case c = {.samples = 2, .channels = 5, .height = 1, .width = 40, .out_channels = 9, .kernel_h = 1, .kernel_w = 3};
  c.strides = {1, 2};
  c.pads = {0, 1, 0, 1};
  ir::Graph graph;
  ir::Value& x = graph.add_input("x", ir::type_of(DType::f32, {2, 5, 40}));
  x.set_quant(per_tensor(c.input, 0.02F, c.input_zero_point));
  ir::Value& w = graph.add_constant(random_weight({9, 5, 3}, 0, 127, 2));
  ir::Node& node = graph.append(ir::OpKind::conv, {&x, &w});
  node.attributes().set("strides", ir::Ints{2});
  node.attributes().set("pads", ir::Ints{1, 1});
  node.output().set_quant(per_tensor(c.output, 0.04F, c.output_zero_point));
  graph.add_output("y", node.output());
  ASSERT_TRUE(ops::infer_types(graph).ok());
  c.bias = false;
  const integer::Form form = form_of(c, node);
  const auto layer = integer::make_weight_layer(form);
  ASSERT_TRUE(layer.ok());
  const CodeBuffer codes = random_codes(2 * 5 * 40, 1);
  const ir::Tensor input = codes.tensor(c.input, {2, 5, 40});
  const std::vector<int32_t> expected = brute_force(c, *layer, codes);
  for (const NamedTable& t : code_tables()) {
    const auto prepared = native::prepare_conv_i8(form, *t.table);
    ASSERT_TRUE(prepared.ok());
    const CodeBuffer y = run_row(native::kConvI8, node, prepared->get(), {&input, nullptr}, {2, 9, 20},
                                 static_cast<int64_t>(expected.size()), t.isa);
    for (size_t i = 0; i < expected.size(); ++i) {
      ASSERT_EQ(code_at(y, c.output, static_cast<int64_t>(i)), expected[i]) << i << " " << t.name;
    }
  }
}

TEST(ConvCodes, MakeNothingOfNothing) {
  check({.samples = 0, .channels = 3, .height = 4, .width = 4, .out_channels = 5, .kernel_h = 3, .kernel_w = 3});
  check({.samples = 1, .channels = 0, .height = 4, .width = 4, .out_channels = 5, .kernel_h = 3, .kernel_w = 3});
}

TEST(DepthwiseConvCodes, AreTheFormulaForOddChannelCounts) {
  for (const int64_t channels : {2, 3, 7, 8, 15, 16, 17, 24, 31, 32, 33, 48, 64, 65, 96, 100, 144, 200}) {
    for (const int64_t stride : {1, 2}) {
      for (const int limit : {127, 64}) {
        check({.samples = 2,
               .channels = channels,
               .height = 7,
               .width = 9,
               .out_channels = channels,
               .kernel_h = 3,
               .kernel_w = 3,
               .group = channels,
               .strides = {stride, stride},
               .pads = {1, 1, 1, 1},
               .limit = limit});
      }
    }
  }
}

TEST(DepthwiseConvCodes, AreTheFormulaForAnyWindow) {
  for (const int64_t kernel : {1, 2, 4, 5, 7}) {
    for (const int64_t stride : {1, 2, 3}) {
      for (const int64_t dilation : {1, 2}) {
        check({.samples = 1,
               .channels = 12,
               .height = 14,
               .width = 15,
               .out_channels = 12,
               .kernel_h = kernel,
               .kernel_w = 3,
               .group = 12,
               .strides = {stride, 4 - stride},
               .pads = {1, 0, 2, 3},
               .dilations = {dilation, 3 - dilation}});
      }
    }
  }
}

TEST(DepthwiseConvCodes, AreTheFormulaForEveryZeroPointSignAndClamp) {
  for (const DType input : {DType::u8, DType::i8}) {
    for (const DType output : {DType::u8, DType::i8}) {
      for (const int32_t zero_point : {0, 3, 128, 255}) {
        Case c = {
            .samples = 1, .channels = 20, .height = 6, .width = 7, .out_channels = 20, .kernel_h = 3, .kernel_w = 3};
        c.group = 20;
        c.pads = {1, 1, 1, 1};
        c.input = input;
        c.output = output;
        c.input_zero_point = input == DType::i8 ? zero_point - 128 : zero_point;
        c.output_zero_point = output == DType::i8 ? zero_point - 128 : zero_point;
        check(c);
        c.lo = output == DType::i8 ? -20 : 100;
        c.hi = output == DType::i8 ? 70 : 201;
        check(c);
      }
    }
  }
}

TEST(DepthwiseConvCodes, TakeUnsignedWeightsLargeImagesAndKernelsLargerThanTheImage) {
  Case c = {.samples = 2, .channels = 40, .height = 60, .width = 90, .out_channels = 40, .kernel_h = 3, .kernel_w = 3};
  c.group = 40;
  c.strides = {1, 2};
  c.pads = {1, 1, 1, 1};
  check(c);
  c.weight = DType::u8;
  c.height = 3;
  check(c);
  c.height = c.width = 1;
  c.kernel_h = c.kernel_w = 5;
  c.pads = {2, 2, 2, 2};
  check(c);
  c.pads = {0, 0, 0, 0};
  c.height = 9;
  c.width = 12;
  c.strides = {1, 1};
  check(c);
}

// Windows of interleaved rows: odd heights, rows shorter than four outputs and longer than a tile, windows up to and
// past the highest that are interleaved, channels that fill no vector.
TEST(DepthwiseConvCodes, AreTheFormulaOverInterleavedRows) {
  const auto check_size = [](int64_t channels, int64_t height, int64_t width, int64_t kernel_h, int64_t kernel_w,
                             int64_t stride) {
    Case c = {.samples = 2, .channels = channels, .height = height, .width = width, .out_channels = channels};
    c.kernel_h = kernel_h;
    c.kernel_w = kernel_w;
    c.group = channels;
    c.strides = {stride, stride};
    c.pads = {kernel_h / 2, kernel_w / 2, kernel_h / 2, kernel_w / 2};
    c.limit = 60;
    check(c);
  };
  for (const int64_t channels : {16, 24, 72}) {
    for (const int64_t stride : {1, 2}) {
      for (const int64_t kernel : {3, 5, 7}) check_size(channels, 7, 6, kernel, kernel, stride);
    }
    for (const int64_t width : {1, 2, 3, 4, 5}) check_size(channels, 3, width, 3, 3, 1);
  }
  for (const int64_t width : {127, 140, 300}) {
    check_size(16, 3, width, 3, 3, 1);
    check_size(16, 6, width, 5, 5, 2);
  }
  for (const int64_t kernel : {16, 17}) check_size(16, 20, 5, kernel, 2, 1);
}

// Under saturating arithmetic the kernel takes only what cannot saturate.
TEST(ConvCodes, SaturatingNodesAreTakenOnlyWhenSafe) {
  for (const int limit : {64, 127}) {
    const Case c = {.samples = 1,
                    .channels = 8,
                    .height = 3,
                    .width = 3,
                    .out_channels = 8,
                    .kernel_h = 3,
                    .kernel_w = 3,
                    .limit = limit};
    const ir::Graph graph = graph_of(c);
    integer::Form form = form_of(c, graph.output_node().input(0)->node());
    form.arithmetic = Arithmetic::x86_u8s8_saturating;
    EXPECT_EQ(native::kConvI8.supports_form(form), limit == 64);
  }
}

}  // namespace
}  // namespace edgesmith::runtime
