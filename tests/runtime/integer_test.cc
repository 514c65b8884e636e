// SPDX-License-Identifier: Apache-2.0
// Integer arithmetic: how sums become codes, what saturates, and networks that compute on codes.
#include <gtest/gtest.h>

#include "runtime/integer/add.h"
#include "runtime/integer/convert.h"
#include "runtime/integer/plain.h"
#include "runtime/run_graph.h"

namespace edgesmith::runtime {
namespace {

using integer::CodeType;
using integer::Requantize;

CodeType codes(float scale, int32_t zero_point, ir::DType dtype = ir::DType::u8) {
  ir::Quant quant;
  quant.dtype = dtype;
  quant.scale = {scale};
  quant.zero_point = {zero_point};
  return *integer::code_type(&quant);
}

TEST(Requantize, RoundsHalfToEvenAndClampsAroundTheZeroPoint) {
  const Requantize r = integer::make_requantize({0.5F}, codes(1, 10), false);
  EXPECT_EQ(r.code(1, 0), 10) << "0.5 goes to 0";
  EXPECT_EQ(r.code(3, 0), 12) << "1.5 goes to 2";
  EXPECT_EQ(r.code(-5, 0), 8) << "-2.5 goes to -2";
  EXPECT_EQ(r.code(-100, 0), 0);
  EXPECT_EQ(r.code(2147483647, 0), 255);
}

TEST(Requantize, TakesTheScaleOfTheChannel) {
  const Requantize r = integer::make_requantize({1, 0.25F}, codes(1, 0), false);
  EXPECT_EQ(r.code(8, 0), 8);
  EXPECT_EQ(r.code(8, 1), 2);
}

TEST(Requantize, FixedPointFollowsTheRealProductToWithinOneCode) {
  for (const float scale : {0.9F, 0.5F, 0.0123F, 3.7e-4F, 1.0F, 5.5F}) {
    const Requantize r = integer::make_requantize({scale}, codes(1, 0, ir::DType::i8), true);
    for (const int32_t sum : {0, 1, -1, 7, -8, 100, -1000, 12345, -99999, 1 << 20}) {
      const double real = std::clamp(static_cast<double>(sum) * static_cast<double>(scale), -128.0, 127.0);
      EXPECT_NEAR(r.code(sum, 0), real, 0.5 + 1e-3) << sum << " * " << scale;
    }
  }
}

// Worked by hand from the definition: 2^30 is one half; halves go away from zero in the doubling high product.
TEST(Requantize, FixedPointRoundsHalfAwayFromZero) {
  EXPECT_EQ(integer::fixed_point_product(3, 1 << 30, 0), 2);
  EXPECT_EQ(integer::fixed_point_product(-3, 1 << 30, 0), -1) << "-1.5 plus the nudge, truncated";
  EXPECT_EQ(integer::fixed_point_product(5, 1 << 30, 1), 5);
  EXPECT_EQ(integer::fixed_point_product(6, 1 << 30, -1), 2) << "3 / 2 rounds away from zero";
  EXPECT_EQ(integer::fixed_point_product(-6, 1 << 30, -1), -2);
}

// Measured on CPUs without VNNI: 64 products of 255 and 127 give 32 times 32767.
TEST(Dot, SaturatesPairsOnlyWhenAsked) {
  const std::vector<int32_t> x(64, 255);
  const std::vector<int16_t> weight(64, 127);
  EXPECT_EQ(integer::dot(x, weight.data(), 0, false), 2072640);
  EXPECT_EQ(integer::dot(x, weight.data(), 0, true), 1048544);
  EXPECT_EQ(integer::dot(x, weight.data(), 255, false), 0);
}

TEST(Dot, TakesALastWeightWithoutPartner) {
  const std::vector<int32_t> x = {1, 2, 3};
  const std::vector<int16_t> weight = {10, -20, 30};
  EXPECT_EQ(integer::dot(x, weight.data(), 0, true), 60);
  EXPECT_EQ(integer::dot(x, weight.data(), 1, true), 40);
}

TEST(Convert, ChangesLayoutsThereAndBack) {
  const ir::Dims dims = {2, 3, 2, 2};
  std::vector<float> reals(24), back(24);
  for (size_t i = 0; i < reals.size(); ++i) reals[i] = static_cast<float>(i) - 5;
  const CodeType type = codes(1, 7);
  std::vector<std::byte> last(24), rows(24), moved(24);
  integer::quantize(type, dims, reals.data(), Layout::channels_last, last.data());
  integer::quantize(type, dims, reals.data(), Layout::row_major, rows.data());
  EXPECT_EQ(static_cast<int>(last[0]), 2);
  EXPECT_EQ(static_cast<int>(last[1]), 6) << "the same pixel of the next channel";
  EXPECT_EQ(static_cast<int>(last[3]), 3) << "the next pixel";
  integer::change_layout(dims, rows.data(), Layout::channels_last, moved.data());
  EXPECT_EQ(moved, last);
  integer::change_layout(dims, last.data(), Layout::row_major, moved.data());
  EXPECT_EQ(moved, rows);
  integer::dequantize(type, dims, last.data(), Layout::channels_last, back.data());
  EXPECT_EQ(back, reals);
}

TEST(Convert, QuantizesAsTheAnnotationSays) {
  const CodeType type = codes(0.5F, -3, ir::DType::i8);
  const std::vector<float> reals = {0.25F, 0.75F, -1000, 1000, NAN};
  std::vector<std::byte> out(5);
  integer::quantize(type, {5}, reals.data(), Layout::row_major, out.data());
  for (size_t i = 0; i < reals.size(); ++i) {
    EXPECT_EQ(static_cast<int8_t>(out[i]), ir::quantize_value(reals[i], type.scale, type.zero_point, type.dtype)) << i;
  }
}

// A residual block with a strided shortcut that is padded, a clamp behind a pool, and a classifier. Weights are codes.
constexpr const char* kNet = R"(graph @net(%x: f32[N,3,8,8]) -> (y) {
  %w1 = constant random(seed=1) : f32[8,3,3,3]
  %b1 = constant random(seed=2) : f32[8]
  %wd = constant random(seed=5) : f32[8,1,3,3]
  %wf = constant random(seed=6) : f32[8,5]
  %bf = constant random(seed=7) : f32[5]
  %starts = constant {1,-7} : i64[2]
  %ends = constant {8,8} : i64[2]
  %axes = constant {2,3} : i64[2]
  %steps = constant {2,2} : i64[2]
  %pads = constant {0,1,2,1,0,-1,2,3} : i64[8]
  %c1 = conv %x, %w1, %b1 {pads=[1,1,1,1]}
  %r1 = relu %c1
  %d = conv %r1, %wd, _ {pads=[1,1,1,1], group=8}
  %h = slice %r1, %starts, %ends, %axes, %steps
  %s = pad %h, %pads
  %a = add %d, %s
  %r3 = relu %a
  %m = max_pool %r3 {kernel_shape=[2,2], strides=[2,2]}
  %t = sigmoid %m
  %p = global_average_pool %t
  %f = flatten %p {axis=1}
  %y = gemm %f, %wf, %bf
  return %y
})";

ir::Value& named(ir::Graph& graph, const std::string& name) {
  for (ir::Node& node : graph.nodes()) {
    for (int i = 0; i < node.num_outputs(); ++i) {
      if (node.output(i).name() == name) return node.output(i);
    }
  }
  ADD_FAILURE() << name;
  return *graph.inputs()[0];
}

// Codes of `largest` at most, one scale.
void make_affine(ir::Graph& graph, const std::string& name, int largest) {
  ir::Value& value = named(graph, name);
  const ir::Tensor& reals = *value.constant();
  ir::Quant quant;
  quant.dtype = ir::DType::i8;
  quant.scale = {0.01F};
  quant.zero_point = {0};
  std::vector<int8_t> out;
  for (const float real : reals.to_floats()) {
    const auto code = static_cast<int>(std::nearbyintf(real / 0.01F));
    out.push_back(static_cast<int8_t>(std::clamp(code, -largest, largest)));
  }
  graph.set_tensor(value.node(), ir::Tensor::affine(ir::Tensor::of<int8_t>(reals.dims(), out), quant));
}

ir::Graph quantized_net(int largest) {
  ir::Graph graph = parse_graph(kNet);
  for (const char* weight : {"w1", "wd", "wf"}) make_affine(graph, weight, largest);
  const auto annotate = [&](const char* name, float scale, int32_t zero_point) {
    ir::Quant quant;
    quant.dtype = ir::DType::u8;
    quant.scale = {scale};
    quant.zero_point = {zero_point};
    named(graph, name).set_quant(quant);
  };
  annotate("x", 0.03F, 128);
  annotate("r1", 0.05F, 0);
  annotate("h", 0.05F, 0);
  annotate("s", 0.05F, 0);
  annotate("d", 0.2F, 120);
  annotate("r3", 0.1F, 0);
  annotate("m", 0.1F, 0);
  annotate("t", 1.0F / 256, 0);
  annotate("p", 1.0F / 256, 0);
  annotate("f", 1.0F / 256, 0);
  annotate("y", 0.02F, 128);
  return graph;
}

std::vector<std::string> kernels_of(const Program& program) {
  std::vector<std::string> out;
  for (const Step& step : program.steps) {
    if (step.kernel != nullptr && step.kernel->supports_form != nullptr) out.emplace_back(step.kernel->name);
  }
  return out;
}

TEST(IntegerArithmetic, RunsEveryNodeOfAQuantizedNetOnCodes) {
  const ir::Graph graph = quantized_net(127);
  const auto program = compile(graph, {.reference = true, .arithmetic = Arithmetic::exact_i32}, Isa::scalar);
  ASSERT_TRUE(program.ok()) << program.error().text();
  EXPECT_EQ(kernels_of(*program),
            (std::vector<std::string>{"conv_codes", "conv_codes", "move_codes", "move_codes", "add_codes", "move_codes",
                                      "lookup_codes", "average_codes", "matrix_product_codes"}));
  for (const Step& step : program->steps) {
    if (step.conversion == Conversion::none) continue;
    EXPECT_EQ(step.converted->name(), step.conversion == Conversion::quantize ? "x" : "y");
  }
}

TEST(IntegerArithmetic, IsTheSameByFastKernelsAndPlainly) {
  const ir::Graph graph = quantized_net(127);
  for (const int64_t samples : {1, 3}) {
    const ir::Tensor x = random_tensor({samples, 3, 8, 8}, 21);
    const auto plain = run_graph(graph, {x}, Isa::scalar, {.reference = true, .arithmetic = Arithmetic::exact_i32});
    for (const Isa isa : kIsas) {
      if (!cpu_has(isa)) continue;
      const auto fast = run_graph(graph, {x}, isa, {.arithmetic = Arithmetic::exact_i32});
      EXPECT_TRUE(fast[0].identical_to(plain[0])) << isa_word(isa);
    }
    add_to_digest(plain[0]);
  }
}

TEST(IntegerArithmetic, GivesRealsWhereAMatrixProductIsNotFollowedByCodes) {
  ir::Graph graph = quantized_net(127);
  named(graph, "y").set_quant(std::nullopt);
  const ir::Tensor x = random_tensor({3, 3, 8, 8}, 9);
  const auto program = compile(graph, {.arithmetic = Arithmetic::exact_i32}, Isa::scalar);
  ASSERT_TRUE(program.ok());
  for (const Step& step : program->steps) EXPECT_NE(step.conversion, Conversion::dequantize) << step.node->label();
  const auto plain = run_graph(graph, {x}, Isa::scalar, {.reference = true, .arithmetic = Arithmetic::exact_i32});
  for (const Isa isa : kIsas) {
    if (!cpu_has(isa)) continue;
    EXPECT_TRUE(run_graph(graph, {x}, isa, {.arithmetic = Arithmetic::exact_i32})[0].identical_to(plain[0]));
  }
  const auto real = run_graph(graph, {x}, Isa::scalar)[0].to_floats(), exact = plain[0].to_floats();
  for (size_t i = 0; i < real.size(); ++i) EXPECT_NEAR(exact[i], real[i], 1e-2F) << i;
}

// Rounding biases to their units and sums to codes in float32 may move a result by one code here and there.
TEST(IntegerArithmetic, IsCloseToFakeQuantization) {
  const ir::Graph graph = quantized_net(127);
  const ir::Tensor x = random_tensor({3, 3, 8, 8}, 9);
  const auto real = run_graph(graph, {x}, Isa::scalar)[0].to_floats();
  for (const Arithmetic arithmetic : {Arithmetic::exact_i32, Arithmetic::tflite}) {
    const auto integer = run_graph(graph, {x}, Isa::scalar, {.arithmetic = arithmetic})[0].to_floats();
    for (size_t i = 0; i < real.size(); ++i) EXPECT_NEAR(integer[i], real[i], 0.0401F) << i;
  }
}

TEST(IntegerArithmetic, SaturatesOnlyWhereWeightsAllowIt) {
  const ir::Tensor x = ir::Tensor::of<float>({1, 3, 8, 8}, std::vector<float>(192, 3.8F));
  for (const int largest : {64, 127}) {
    ir::Graph graph = quantized_net(largest);
    // All weights of one sign and size, so that pairs reach their limit.
    ir::Quant quant = named(graph, "w1").constant()->quant();
    const std::vector<int8_t> ones(216, static_cast<int8_t>(largest));
    graph.set_tensor(named(graph, "w1").node(), ir::Tensor::affine(ir::Tensor::of<int8_t>({8, 3, 3, 3}, ones), quant));
    named(graph, "r1").set_quant([] {
      ir::Quant wide;
      wide.dtype = ir::DType::u8;
      wide.scale = {1};
      wide.zero_point = {0};
      return wide;
    }());
    for (const char* moved : {"h", "s"}) named(graph, moved).set_quant(named(graph, "r1").quant());
    const auto exact = run_graph(graph, {x}, Isa::scalar, {.arithmetic = Arithmetic::exact_i32});
    const auto saturated = run_graph(graph, {x}, Isa::scalar, {.arithmetic = Arithmetic::x86_u8s8_saturating});
    EXPECT_EQ(exact[0].identical_to(saturated[0]), largest == 64) << largest;
  }
}

TEST(IntegerArithmetic, GivesTheSameForOneSampleAndForMany) {
  const ir::Graph graph = quantized_net(127);
  const ir::Tensor x = random_tensor({4, 3, 8, 8}, 11);
  const ExecutorOptions options = {.arithmetic = Arithmetic::exact_i32};
  const auto all = run_graph(graph, {x}, Isa::scalar, options)[0].to_floats();
  const auto floats = x.to_floats();
  for (size_t n = 0; n < 4; ++n) {
    const std::vector<float> one(floats.begin() + static_cast<std::ptrdiff_t>(n * 192),
                                 floats.begin() + static_cast<std::ptrdiff_t>((n + 1) * 192));
    const auto y = run_graph(graph, {ir::Tensor::of<float>({1, 3, 8, 8}, one)}, Isa::scalar, options)[0].to_floats();
    for (size_t i = 0; i < 5; ++i) EXPECT_EQ(y[i], all[n * 5 + i]);
  }
}

TEST(Arithmetic, WordsAreFoundAndUnknownOnesAreNot) {
  for (const std::string& word : arithmetic_words()) {
    const auto found = find_arithmetic(word);
    ASSERT_TRUE(found.ok()) << word;
    EXPECT_TRUE(word == "ort-x86" || arithmetic_word(*found) == word) << word;
  }
  EXPECT_FALSE(find_arithmetic("exact").ok());
}

}  // namespace
}  // namespace edgesmith::runtime
