// SPDX-License-Identifier: Apache-2.0
#include "runtime/run_graph.h"

namespace edgesmith::runtime {
namespace {

struct Case {
  int64_t samples, channels, height, width, out_channels, kernel_h, kernel_w, group = 1;
  std::vector<int64_t> strides = {1, 1}, pads = {0, 0, 0, 0}, dilations = {1, 1};
  bool bias = true;

  std::string text() const {
    std::string out = "x[" + std::to_string(samples) + "," + std::to_string(channels) + "," + std::to_string(height) +
                      "," + std::to_string(width) + "] m=" + std::to_string(out_channels) +
                      " k=" + std::to_string(kernel_h) + "x" + std::to_string(kernel_w) + " g=" + std::to_string(group);
    for (const int64_t v : strides) out += " s" + std::to_string(v);
    for (const int64_t v : pads) out += " p" + std::to_string(v);
    for (const int64_t v : dilations) out += " d" + std::to_string(v);
    return out;
  }
};

struct Operands {
  ir::Tensor x, w, b;
};

Operands operands_of(const Case& c) {
  return {random_tensor({c.samples, c.channels, c.height, c.width}, 1),
          random_tensor({c.out_channels, c.channels / c.group, c.kernel_h, c.kernel_w}, 2),
          random_tensor({c.out_channels}, 3)};
}

// The definition, in double.
ir::Tensor brute_force(const Case& c, const Operands& in) {
  const int64_t oh = (c.height + c.pads[0] + c.pads[2] - (c.kernel_h - 1) * c.dilations[0] - 1) / c.strides[0] + 1;
  const int64_t ow = (c.width + c.pads[1] + c.pads[3] - (c.kernel_w - 1) * c.dilations[1] - 1) / c.strides[1] + 1;
  ir::Tensor out = ir::Tensor::zeros(ir::DType::f32, {c.samples, c.out_channels, oh, ow});
  const auto x = in.x.data<float>(), w = in.w.data<float>(), b = in.b.data<float>();
  const auto y = out.mutable_data<float>();
  const int64_t per_group = c.channels / c.group, group_out = c.out_channels / c.group;
  size_t at = 0;
  for (int64_t n = 0; n < c.samples; ++n) {
    for (int64_t m = 0; m < c.out_channels; ++m) {
      for (int64_t i = 0; i < oh * ow; ++i) {
        double sum = c.bias ? b[static_cast<size_t>(m)] : 0;
        for (int64_t k = 0; k < per_group * c.kernel_h * c.kernel_w; ++k) {
          const int64_t channel = m / group_out * per_group + k / (c.kernel_h * c.kernel_w);
          const int64_t row = i / ow * c.strides[0] + k / c.kernel_w % c.kernel_h * c.dilations[0] - c.pads[0];
          const int64_t column = i % ow * c.strides[1] + k % c.kernel_w * c.dilations[1] - c.pads[1];
          if (row < 0 || row >= c.height || column < 0 || column >= c.width) continue;
          sum += static_cast<double>(w[static_cast<size_t>(m * per_group * c.kernel_h * c.kernel_w + k)]) *
                 x[static_cast<size_t>(((n * c.channels + channel) * c.height + row) * c.width + column)];
        }
        y[at++] = static_cast<float>(sum);
      }
    }
  }
  return out;
}

ir::Graph graph_of(const Case& c, const Operands& in, bool constant_weight) {
  ir::Graph graph;
  ir::Value& x = graph.add_input("x", in.x.type());
  ir::Value& w = constant_weight ? graph.add_constant(in.w) : graph.add_input("w", in.w.type());
  std::vector<ir::Value*> operands = {&x, &w};
  if (c.bias) operands.push_back(&graph.add_constant(in.b));
  ir::Node& node = graph.append(ir::OpKind::conv, operands);
  node.attributes().set("strides", c.strides);
  node.attributes().set("pads", c.pads);
  node.attributes().set("dilations", c.dilations);
  node.attributes().set("group", c.group);
  graph.add_output("y", node.output());
  const Status typed = ops::infer_types(graph);
  EXPECT_TRUE(typed.ok()) << (typed.ok() ? "" : typed.error().text());
  return graph;
}

void check(const Case& c) {
  SCOPED_TRACE(c.text());
  const Operands in = operands_of(c);
  const ir::Tensor expected = brute_force(c, in);
  for (const bool constant_weight : {true, false}) {
    const ir::Graph graph = graph_of(c, in, constant_weight);
    const std::vector<ir::Tensor> inputs =
        constant_weight ? std::vector<ir::Tensor>{in.x} : std::vector<ir::Tensor>{in.x, in.w};
    ir::Tensor first;
    for (const Isa isa : float_isas()) {
      const auto program = compile(graph, {}, isa);
      ASSERT_TRUE(program.ok()) << program.error().text();
      ASSERT_NE(program->steps[0].kernel, nullptr);
      const std::vector<ir::Tensor> outputs = run_graph(graph, inputs, isa);
      ASSERT_EQ(outputs.size(), 1u);
      expect_close(outputs[0], expected, 2e-6);
      if (first.valid()) {
        EXPECT_TRUE(outputs[0].identical_to(first)) << isa_word(isa);
      }
      first = outputs[0];
    }
    add_to_digest(first);
  }
}

// Kernels that reassociate sums: close to the definition in double, the same bits on every instruction set and in every
// batch. They run where they are not the default, too.
void check_winograd(const Case& c) {
  SCOPED_TRACE(c.text());
  const Operands in = operands_of(c);
  const ir::Tensor expected = brute_force(c, in);
  for (const bool constant_weight : {true, false}) {
    const ir::Graph graph = graph_of(c, in, constant_weight);
    const std::vector<ir::Tensor> inputs =
        constant_weight ? std::vector<ir::Tensor>{in.x} : std::vector<ir::Tensor>{in.x, in.w};
    ExecutorOptions options = {.reassociate = true};
    if (c.kernel_h == 5) options.choices[graph.output_node().input(0)->node().id()] = "native.winograd_conv_f32";
    ir::Tensor first;
    for (const Isa isa : float_isas()) {
      const auto program = compile(graph, options, isa);
      ASSERT_TRUE(program.ok()) << program.error().text();
      ASSERT_EQ(program->steps[0].kernel->name, "winograd_conv_f32");
      const std::vector<ir::Tensor> outputs = run_graph(graph, inputs, isa, options);
      ASSERT_EQ(outputs.size(), 1u);
      expect_close(outputs[0], expected, 1e-5);
      if (first.valid()) {
        EXPECT_TRUE(outputs[0].identical_to(first)) << isa_word(isa);
      }
      first = outputs[0];
    }
    if (constant_weight) add_to_digest(first);
  }
}

TEST(WinogradConv, IsTheDefinitionForOddChannelCounts) {
  for (const int64_t channels : {8, 15, 16, 17, 31, 33, 80}) {
    for (const int64_t out_channels : {8, 17, 49, 100}) {
      check_winograd({.samples = 2,
                      .channels = channels,
                      .height = 9,
                      .width = 5,
                      .out_channels = out_channels,
                      .kernel_h = 3,
                      .kernel_w = 3,
                      .pads = {1, 1, 1, 1}});
    }
  }
}

TEST(WinogradConv, IsTheDefinitionForOddImages) {
  for (const int64_t size : {1, 2, 3, 4, 7, 8, 15, 16, 17, 31, 33, 130}) {
    for (const bool bias : {true, false}) {
      check_winograd({.samples = 1,
                      .channels = 9,
                      .height = size,
                      .width = 34 - size % 34,
                      .out_channels = 10,
                      .kernel_h = 3,
                      .kernel_w = 3,
                      .pads = {1, 1, 1, 1},
                      .bias = bias});
    }
  }
}

TEST(WinogradConv, PadsAsymmetrically) {
  for (const std::vector<int64_t>& pads :
       {std::vector<int64_t>{0, 0, 0, 0}, {0, 1, 2, 0}, {2, 0, 0, 3}, {7, 1, 0, 9}, {0, 9, 9, 0}}) {
    check_winograd({.samples = 2,
                    .channels = 16,
                    .height = 6,
                    .width = 20,
                    .out_channels = 8,
                    .kernel_h = 3,
                    .kernel_w = 3,
                    .pads = pads});
  }
}

// Larger than what is transformed at a time.
TEST(WinogradConv, WorksInStrips) {
  check_winograd({.samples = 1,
                  .channels = 40,
                  .height = 50,
                  .width = 61,
                  .out_channels = 24,
                  .kernel_h = 3,
                  .kernel_w = 3,
                  .pads = {1, 1, 1, 1}});
}

// Small images, whose products are made together, and one that is left over.
TEST(WinogradConv, OfManySamples) {
  check_winograd({.samples = 61,
                  .channels = 12,
                  .height = 5,
                  .width = 8,
                  .out_channels = 20,
                  .kernel_h = 3,
                  .kernel_w = 3,
                  .pads = {1, 1, 1, 1}});
}

TEST(WinogradConv, Of5x5KernelsAndOddChannelCounts) {
  for (const int64_t channels : {8, 15, 20, 33, 80}) {
    for (const int64_t out_channels : {8, 17, 50, 100}) {
      check_winograd({.samples = 2,
                      .channels = channels,
                      .height = 12,
                      .width = 9,
                      .out_channels = out_channels,
                      .kernel_h = 5,
                      .kernel_w = 5});
    }
  }
}

TEST(WinogradConv, Of5x5KernelsAndOddImages) {
  for (const int64_t size : {1, 2, 3, 4, 5, 7, 8, 12, 15, 17, 33, 66}) {
    for (const std::vector<int64_t>& pads :
         {std::vector<int64_t>{2, 2, 2, 2}, {0, 4, 4, 0}, {4, 1, 0, 3}, {9, 2, 0, 11}}) {
      check_winograd({.samples = 1,
                      .channels = 9,
                      .height = size,
                      .width = 34 - size % 34,
                      .out_channels = 10,
                      .kernel_h = 5,
                      .kernel_w = 5,
                      .pads = pads,
                      .bias = size % 2 == 0});
    }
  }
}

TEST(WinogradConv, Of5x5KernelsInStripsAndManySamples) {
  check_winograd({.samples = 1,
                  .channels = 40,
                  .height = 50,
                  .width = 61,
                  .out_channels = 24,
                  .kernel_h = 5,
                  .kernel_w = 5,
                  .pads = {2, 2, 2, 2}});
  check_winograd(
      {.samples = 61, .channels = 12, .height = 7, .width = 8, .out_channels = 20, .kernel_h = 5, .kernel_w = 5});
}

TEST(WinogradConv, Takes5x5KernelsWhereTilesWasteLittle) {
  for (const int64_t size : {5, 6, 7, 8, 9, 10, 12}) {  // 1 to 8 outputs along an axis
    const Case c = {
        .samples = 1, .channels = 16, .height = size, .width = size, .out_channels = 16, .kernel_h = 5, .kernel_w = 5};
    const ir::Graph graph = graph_of(c, operands_of(c), true);
    const auto program = compile(graph, {.reassociate = true}, Isa::scalar);
    ASSERT_TRUE(program.ok());
    EXPECT_EQ(program->steps[0].kernel->name, size > 6 ? "winograd_conv_f32" : "conv_f32") << size;
  }
}

TEST(WinogradConv, TakesOnlyWhatItCanAndOnlyWhenAsked) {
  const auto kernel_of = [](const Case& c, bool constant_weight, bool reassociate) {
    const Operands in = operands_of(c);
    const ir::Graph graph = graph_of(c, in, constant_weight);
    const auto program = compile(graph, {.reassociate = reassociate}, Isa::scalar);
    EXPECT_TRUE(program.ok());
    return program.ok() ? std::string(program->steps[0].kernel->name) : "";
  };
  Case c = {.samples = 1,
            .channels = 16,
            .height = 8,
            .width = 8,
            .out_channels = 16,
            .kernel_h = 3,
            .kernel_w = 3,
            .pads = {1, 1, 1, 1}};
  EXPECT_EQ(kernel_of(c, true, true), "winograd_conv_f32");
  EXPECT_EQ(kernel_of(c, true, false), "conv_f32");
  EXPECT_EQ(kernel_of(c, false, true), "winograd_conv_f32");
  c.strides = {1, 2};
  EXPECT_EQ(kernel_of(c, true, true), "conv_f32");
  c.strides = {1, 1};
  c.dilations = {2, 2};
  EXPECT_EQ(kernel_of(c, true, true), "conv_f32");
  c.dilations = {1, 1};
  c.group = 2;
  EXPECT_EQ(kernel_of(c, true, true), "conv_f32");
  c.group = 1;
  c.channels = 3;
  EXPECT_EQ(kernel_of(c, true, true), "conv_f32");
}

TEST(Conv, IsTheDefinitionForOddChannelCounts) {
  for (const int64_t channels : {1, 3, 7, 8, 15, 17, 31, 33}) {
    check({.samples = 2,
           .channels = channels,
           .height = 9,
           .width = 5,
           .out_channels = 36 - channels,
           .kernel_h = 3,
           .kernel_w = 3,
           .pads = {1, 1, 1, 1}});
  }
}

TEST(Conv, IsTheDefinitionForOddImages) {
  for (const int64_t size : {1, 3, 7, 8, 15, 16, 17, 31, 33, 50}) {
    check({.samples = 3,
           .channels = 3,
           .height = 2,
           .width = size,
           .out_channels = 5,
           .kernel_h = 3,
           .kernel_w = 3,
           .pads = {1, 1, 1, 1}});
    check(
        {.samples = 2, .channels = 9, .height = size, .width = size, .out_channels = 9, .kernel_h = 1, .kernel_w = 1});
  }
}

TEST(Conv, NeedsNoPadding) {
  for (const int64_t width : {3, 9, 18, 19, 34, 40}) {
    check({.samples = 2, .channels = 5, .height = 11, .width = width, .out_channels = 6, .kernel_h = 3, .kernel_w = 3});
    check({.samples = 1, .channels = 2, .height = 7, .width = width, .out_channels = 90, .kernel_h = 3, .kernel_w = 3});
  }
}

TEST(Conv, PadsAsymmetrically) {
  check({.samples = 1,
         .channels = 4,
         .height = 6,
         .width = 20,
         .out_channels = 8,
         .kernel_h = 3,
         .kernel_w = 3,
         .pads = {0, 1, 2, 0}});
  check({.samples = 1,
         .channels = 4,
         .height = 6,
         .width = 20,
         .out_channels = 8,
         .kernel_h = 2,
         .kernel_w = 2,
         .pads = {1, 0, 0, 1}});
}

// Outputs as wide as the inputs: vectors that begin in one row and end in the next, tiles over several samples.
TEST(Conv, KeepsTheWidthOfOddImages) {
  for (const int64_t size : {1, 2, 3, 5, 7, 8, 15, 16, 17, 31, 33, 47}) {
    for (const int64_t samples : {1, 4}) {
      check({.samples = samples,
             .channels = 6,
             .height = 1 + 34 % size,
             .width = size,
             .out_channels = 10,
             .kernel_h = 3,
             .kernel_w = 3,
             .group = 2,
             .pads = {1, 1, 1, 1},
             .bias = size % 2 == 0});
      check({.samples = samples,
             .channels = 3,
             .height = 5,
             .width = size,
             .out_channels = 17,
             .kernel_h = 4,
             .kernel_w = 5,
             .pads = {2, 1, 0, 7},
             .dilations = {1, 2}});
    }
  }
}

// Outputs wider than the inputs, and narrower.
TEST(Conv, ChangesTheWidth) {
  for (const int64_t width : {6, 14, 15, 16, 30, 40}) {
    for (const int64_t pad : {0, 3, 9}) {
      check({.samples = 3,
             .channels = 4,
             .height = 5,
             .width = width,
             .out_channels = 9,
             .kernel_h = 3,
             .kernel_w = 4,
             .pads = {1, pad, 1, 1}});
    }
  }
}

TEST(Conv, TakesKernelsLargerThanTheImage) {
  check({.samples = 2,
         .channels = 2,
         .height = 1,
         .width = 1,
         .out_channels = 3,
         .kernel_h = 3,
         .kernel_w = 5,
         .pads = {1, 2, 1, 2}});
  check({.samples = 1,
         .channels = 2,
         .height = 3,
         .width = 2,
         .out_channels = 3,
         .kernel_h = 7,
         .kernel_w = 7,
         .pads = {3, 3, 3, 3}});
}

TEST(Conv, StridesAndDilates) {
  for (const int64_t stride : {1, 2, 3, 4}) {
    for (const int64_t dilation : {1, 2, 3}) {
      check({.samples = 2,
             .channels = 3,
             .height = 19,
             .width = 23,
             .out_channels = 8,
             .kernel_h = 3,
             .kernel_w = 3,
             .strides = {stride, 1 + stride % 3},
             .pads = {2, 1, 0, 3},
             .dilations = {dilation, 4 - dilation}});
    }
  }
}

TEST(Conv, StridesWithoutOverlap) {
  check({.samples = 1,
         .channels = 3,
         .height = 32,
         .width = 32,
         .out_channels = 16,
         .kernel_h = 4,
         .kernel_w = 4,
         .strides = {4, 4},
         .bias = false});
  check({.samples = 1,
         .channels = 16,
         .height = 8,
         .width = 8,
         .out_channels = 32,
         .kernel_h = 1,
         .kernel_w = 1,
         .strides = {2, 2},
         .bias = false});
}

TEST(PointwiseConv, IsTheDefinition) {
  const auto kernel_of = [](const Case& c) {
    const auto program = compile(graph_of(c, operands_of(c), true), {}, Isa::scalar);
    EXPECT_TRUE(program.ok());
    return program.ok() ? std::string(program->steps[0].kernel->name) : "";
  };
  for (const int64_t channels : {1, 3, 31, 192, 1100}) {  // 1100: sums in two passes
    for (const int64_t out_channels : {15, 33, 80}) {
      for (const int64_t size : {1, 4, 7}) {
        const Case c = {.samples = 2,
                        .channels = channels,
                        .height = size,
                        .width = size + 1,
                        .out_channels = out_channels,
                        .kernel_h = 1,
                        .kernel_w = 1,
                        .bias = channels != 31};
        check(c);
        if (out_channels == 80 && channels >= 192) {
          EXPECT_EQ(kernel_of(c), "pointwise_conv_f32");
        }
      }
    }
  }
  Case padded = {.samples = 1,
                 .channels = 200,
                 .height = 4,
                 .width = 4,
                 .out_channels = 32,
                 .kernel_h = 1,
                 .kernel_w = 1,
                 .pads = {1, 0, 0, 1}};
  EXPECT_EQ(kernel_of(padded), "conv_f32");
  check(padded);
  padded.pads = {0, 0, 0, 0};
  padded.strides = {2, 2};
  EXPECT_EQ(kernel_of(padded), "conv_f32");
  check(padded);
}

TEST(Conv, ExpandsChannelsInPlace) {
  check({.samples = 2, .channels = 5, .height = 9, .width = 11, .out_channels = 40, .kernel_h = 1, .kernel_w = 1});
  check({.samples = 1, .channels = 7, .height = 16, .width = 16, .out_channels = 33, .kernel_h = 1, .kernel_w = 1});
}

// Outputs larger than a cache: channels are written group by group.
TEST(Conv, SweepsOverLargeOutputs) {
  check({.samples = 2,
         .channels = 2,
         .height = 75,
         .width = 131,
         .out_channels = 58,
         .kernel_h = 3,
         .kernel_w = 3,
         .group = 2,
         .pads = {1, 1, 1, 1}});
}

TEST(Conv, KeepsGroupsApart) {
  check({.samples = 2,
         .channels = 6,
         .height = 7,
         .width = 7,
         .out_channels = 9,
         .kernel_h = 3,
         .kernel_w = 3,
         .group = 3,
         .pads = {1, 1, 1, 1}});
  check({.samples = 2,
         .channels = 20,
         .height = 5,
         .width = 40,
         .out_channels = 20,
         .kernel_h = 1,
         .kernel_w = 3,
         .group = 2,
         .pads = {0, 1, 0, 1}});
}

TEST(Conv, SumsManyChannels) {
  check({.samples = 1,
         .channels = 160,
         .height = 7,
         .width = 7,
         .out_channels = 17,
         .kernel_h = 3,
         .kernel_w = 3,
         .pads = {1, 1, 1, 1}});
}

TEST(DepthwiseConv, IsTheDefinition) {
  for (const int64_t width : {1, 3, 7, 14, 16, 17, 33, 65}) {
    for (const int64_t stride : {1, 2, 3}) {
      check({.samples = 2,
             .channels = 5,
             .height = 6,
             .width = width,
             .out_channels = 5,
             .kernel_h = 3,
             .kernel_w = 3,
             .group = 5,
             .strides = {stride, stride},
             .pads = {1, 1, 1, 1}});
    }
  }
}

TEST(DepthwiseConv, ReadsSquareWindowsWherePlanesLie) {
  for (const int64_t kernel : {3, 5}) {
    for (const int64_t stride : {1, 2}) {
      for (const int64_t size : {1, 2, 4, 5, 7, 8, 15, 16, 17, 31, 33, 34, 70}) {
        const int64_t pad = size == 17 ? 0 : kernel / 2;
        if (size + 2 * pad < kernel) continue;
        check({.samples = 2,
               .channels = 3,
               .height = size,
               .width = size,
               .out_channels = size % 2 == 0 ? 3 : 6,
               .kernel_h = kernel,
               .kernel_w = kernel,
               .group = 3,
               .strides = {stride, stride},
               .pads = {pad, pad, pad, pad},
               .bias = size != 8});
      }
      check({.samples = 1,
             .channels = 2,
             .height = 9,
             .width = 21,
             .out_channels = 2,
             .kernel_h = kernel,
             .kernel_w = kernel,
             .group = 2,
             .strides = {stride, stride},
             .pads = {7, 0, 1, 9}});
      check({.samples = 1,
             .channels = 2,
             .height = 3,
             .width = 40,
             .out_channels = 2,
             .kernel_h = kernel,
             .kernel_w = kernel,
             .group = 2,
             .strides = {stride, stride},
             .pads = {9, 21, 11, 3}});
    }
  }
}

TEST(DepthwiseConv, MultipliesChannelsDilatesAndNeedsNoPadding) {
  check({.samples = 1,
         .channels = 3,
         .height = 12,
         .width = 12,
         .out_channels = 6,
         .kernel_h = 5,
         .kernel_w = 5,
         .group = 3,
         .bias = false});
  check({.samples = 1,
         .channels = 3,
         .height = 12,
         .width = 40,
         .out_channels = 3,
         .kernel_h = 3,
         .kernel_w = 3,
         .group = 3,
         .pads = {2, 2, 2, 2},
         .dilations = {2, 2}});
  check({.samples = 2,
         .channels = 3,
         .height = 4,
         .width = 4,
         .out_channels = 3,
         .kernel_h = 1,
         .kernel_w = 1,
         .group = 3});
}

TEST(Conv, OfOneSpatialAxisIsAnImageOfOneRow) {
  const ir::Graph graph = parse_graph(R"(graph @g(%x: f32[2,3,29]) -> (y: f32[2,8,15]) {
  %w = constant random(seed=7) : f32[8,3,5]
  %y = conv %x, %w, _ {pads=[2,2], strides=[2]}
  return %y
})");
  const ir::Tensor x = random_tensor({2, 3, 29}, 4);
  const ir::Graph image = parse_graph(R"(graph @g(%x: f32[2,3,1,29]) -> (y: f32[2,8,1,15]) {
  %w = constant random(seed=7) : f32[8,3,1,5]
  %y = conv %x, %w, _ {pads=[0,2,0,2], strides=[1,2]}
  return %y
})");
  const ir::Tensor line = run_graph(graph, {x}, Isa::scalar)[0];
  EXPECT_TRUE(line.identical_to(run_graph(image, {x.reshaped({2, 3, 1, 29})}, Isa::scalar)[0].reshaped({2, 8, 15})));
}

TEST(Conv, GivesTheSameBitsAtEveryPlaceInABatch) {
  const ir::Graph graph = parse_graph(R"(graph @g(%x: f32[N,5,8,8]) -> (y) {
  %w = constant random(seed=7) : f32[12,5,3,3]
  %y = conv %x, %w, _ {pads=[1,1,1,1]}
  return %y
})");
  const ir::Tensor batch = random_tensor({7, 5, 8, 8}, 5);
  for (const Isa isa : float_isas()) {
    const ir::Tensor together = run_graph(graph, {batch}, isa)[0];
    for (int64_t n = 0; n < 7; ++n) {
      const auto one = batch.data<float>().subspan(static_cast<size_t>(n * 320), 320);
      const ir::Tensor alone = run_graph(graph, {ir::Tensor::of<float>({1, 5, 8, 8}, one)}, isa)[0];
      const auto expected = together.data<float>().subspan(static_cast<size_t>(n * 768), 768);
      EXPECT_TRUE(alone.identical_to(ir::Tensor::of<float>({1, 12, 8, 8}, expected)));
    }
  }
}

TEST(Conv, OfNothingIsNothing) {
  const ir::Graph graph = parse_graph(R"(graph @g(%x: f32[N,2,4,4]) -> (y) {
  %w = constant random(seed=7) : f32[3,2,3,3]
  %y = conv %x, %w, _ {}
  return %y
})");
  EXPECT_EQ(run_graph(graph, {random_tensor({0, 2, 4, 4}, 1)}, Isa::scalar)[0].dims(), (ir::Dims{0, 3, 2, 2}));
}

}  // namespace
}  // namespace edgesmith::runtime
