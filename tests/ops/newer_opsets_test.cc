// SPDX-License-Identifier: Apache-2.0
// Operators and forms that ONNX's conformance vectors of opset 17 do not have: results worked out by hand.
#include <array>
#include <limits>

#include "eval_helper.h"

namespace edgesmith::ops {
namespace {

using ir::DType;
using ir::OpKind;
using ir::Tensor;

void expect_near(const Result<std::vector<Tensor>>& results, const std::vector<float>& expected) {
  ASSERT_TRUE(results.ok()) << results.error().text();
  const std::vector<float> values = results->front().to_floats();
  ASSERT_EQ(values.size(), expected.size());
  for (size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(values[i], expected[i], 1e-5) << i;
}

Tensor vector(const std::vector<float>& values) {
  return Tensor::of<float>({static_cast<int64_t>(values.size())}, values);
}

TEST(NewerOpsets, GroupNormalizationScalesEveryChannel) {
  // Two groups of two channels: means 2 and 6, variances 1 and 4.
  const Tensor x = Tensor::of<float>({1, 4, 1}, std::vector<float>{1, 3, 4, 8});
  const std::vector<NamedAttribute> attributes = {{"num_groups", int64_t{2}}, {"epsilon", 0.0F}};
  const auto run = [&](const Tensor& scale) {
    return run_op(OpKind::group_normalization, {x, scale, vector({0, 0, 0, 5})}, attributes);
  };
  expect_near(run(vector({1, 2, 3, 4})), {-1, 2, -3, 9});
  EXPECT_FALSE(run(vector({1, 2})).ok());  // the older form: a scale a group
}

TEST(NewerOpsets, RmsNormalizationDividesByTheRootOfTheMeanSquare) {
  const Tensor x = Tensor::of<float>({2, 2}, std::vector<float>{1, 7, 0, 0});
  expect_near(run_op(OpKind::rms_normalization, {x, vector({1, 2})}, {{"epsilon", 0.25F}}),
              {1 / std::sqrt(25.25F), 14 / std::sqrt(25.25F), 0, 0});
}

TEST(NewerOpsets, LpNormalizationKeepsLinesOfZeros) {
  const Tensor x = Tensor::of<float>({2, 2}, std::vector<float>{3, 0, -4, 0});
  expect_near(run_op(OpKind::lp_normalization, {x}, {{"axis", int64_t{0}}}), {0.6F, 0, -0.8F, 0});
  expect_near(run_op(OpKind::lp_normalization, {x}, {{"axis", int64_t{0}}, {"p", int64_t{1}}}),
              {3.0F / 7, 0, -4.0F / 7, 0});
}

TEST(NewerOpsets, ScattersTakeTheLargestAndTheLeast) {
  const Tensor x = vector({1, 5, 3}), indices = Tensor::of<int64_t>({3}, std::vector<int64_t>{1, -2, 0});
  const auto run = [&](const std::string& reduction) {
    return run_op(OpKind::scatter_elements, {x, indices, vector({9, 2, -1})}, {{"reduction", reduction}});
  };
  expect_near(run("max"), {1, 9, 3});
  expect_near(run("min"), {-1, 2, 3});
  EXPECT_FALSE(run("median").ok());
}

TEST(NewerOpsets, TopKOrdersEqualOnesByPlaceAndNanFirst) {
  const Tensor x = vector({2, NAN, 2, 1}), k = Tensor::of<int64_t>({1}, std::vector<int64_t>{3});
  const auto results = run_op(OpKind::top_k, {x, k}, {}, 2);
  ASSERT_TRUE(results.ok()) << results.error().text();
  EXPECT_EQ((*results)[1].to_int64s(), (std::vector<int64_t>{1, 0, 2}));
  const auto least = run_op(OpKind::top_k, {x, k}, {{"largest", int64_t{0}}}, 2);
  ASSERT_TRUE(least.ok()) << least.error().text();
  EXPECT_EQ((*least)[1].to_int64s(), (std::vector<int64_t>{3, 0, 2}));
}

TEST(NewerOpsets, AttentionWithoutScoresIsTheMeanOfWhatIsSeen) {
  // Two steps of one head of size 1, scale 0: every step of K that is seen counts the same.
  const Tensor q = Tensor::of<float>({1, 1, 2, 1}, std::vector<float>{1, 1});
  const Tensor v = Tensor::of<float>({1, 1, 2, 1}, std::vector<float>{2, 6});
  const auto run = [&](const std::vector<NamedAttribute>& attributes, const std::vector<Tensor>& rest = {}) {
    std::vector<Tensor> operands = {q, q, v};
    operands.insert(operands.end(), rest.begin(), rest.end());
    return run_op(OpKind::attention, operands, attributes);
  };
  expect_near(run({{"scale", 0.0F}}), {4, 4});
  expect_near(run({{"scale", 0.0F}, {"is_causal", int64_t{1}}}), {2, 4});
  expect_near(run({{"scale", 0.0F}, {"left_window_size", int64_t{0}}, {"right_window_size", int64_t{0}}}), {2, 6});
  // A mask that leaves out everything for the first step; a past of one step.
  constexpr std::array<bool, 4> kSeen = {false, false, true, false};
  const Tensor mask = Tensor::of<bool>({2, 2}, std::span<const bool>(kSeen));
  expect_near(run({{"scale", 0.0F}}, {mask}), {0, 2});
  const Tensor past = Tensor::of<float>({1, 1, 1, 1}, std::vector<float>{10});
  expect_near(run({{"scale", 0.0F}, {"is_causal", int64_t{1}}}, {Tensor(), past, past}), {6, 6});
}

TEST(NewerOpsets, AttentionWeighsByTheSoftmaxOfProducts) {
  // Two heads in one vector [1, 1, 2 * 1]; products 0 and log 3 of head 0: weights 1/4 and 3/4; head 1: equal.
  const Tensor q = Tensor::of<float>({1, 1, 2}, std::vector<float>{1, 0});
  const Tensor k = Tensor::of<float>({1, 2, 2}, std::vector<float>{0, 5, std::log(3.0F), 7});
  const Tensor v = Tensor::of<float>({1, 2, 2}, std::vector<float>{4, 1, 8, 2});
  const std::vector<NamedAttribute> heads = {{"q_num_heads", int64_t{2}}, {"kv_num_heads", int64_t{2}}};
  expect_near(run_op(OpKind::attention, {q, k, v}, heads), {7, 1.5F});
  EXPECT_FALSE(run_op(OpKind::attention, {q, k, v}).ok());
}

TEST(NewerOpsets, AttentionRefusesMoreHeadsThanThereCanBe) {
  const ir::Type x = {DType::f32, ir::Shape(3)};
  OneNode one(OpKind::attention, {x, x, x},
              {{"q_num_heads", int64_t{2}}, {"kv_num_heads", std::numeric_limits<int64_t>::max()}});
  expect_error(infer_types(one.graph), ErrorKind::invalid, "9223372036854775807 heads are too many");
}

TEST(NewerOpsets, AttentionRefusesKeysOfAnotherRankWhereTheQueryHasNone) {
  OneNode one(OpKind::attention, {{DType::f32, std::nullopt}, {DType::f32, ir::Shape(2)}, {DType::f32, ir::Shape(4)}});
  const Status status = infer_types(one.graph);
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().text().find("K has rank 2, must be 3 or 4"), std::string::npos) << status.error().text();
}

TEST(NewerOpsets, RotaryEmbeddingTurnsPairs) {
  // A quarter turn at position 1, none at position 0.
  const Tensor x = Tensor::of<float>({1, 1, 2, 4}, std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8});
  const Tensor cosines = Tensor::of<float>({2, 2}, std::vector<float>{1, 1, 0, 0});
  const Tensor sines = Tensor::of<float>({2, 2}, std::vector<float>{0, 0, 1, 1});
  const Tensor positions = Tensor::of<int64_t>({1, 2}, std::vector<int64_t>{0, 1});
  const auto run = [&](const std::vector<NamedAttribute>& attributes) {
    return run_op(OpKind::rotary_embedding, {x, cosines, sines, positions}, attributes);
  };
  expect_near(run({}), {1, 2, 3, 4, -7, -8, 5, 6});
  expect_near(run({{"interleaved", int64_t{1}}}), {1, 2, 3, 4, -6, 5, -8, 7});
}

TEST(NewerOpsets, DftOfAnyLengthAndBack) {
  const Tensor x = Tensor::of<float>({1, 3, 1}, std::vector<float>{1, 2, 4});
  const auto spectrum = run_op(OpKind::dft, {x});
  const float root = std::sqrt(3.0F);
  expect_near(spectrum, {7, 0, -2, root, -2, -root});
  expect_near(run_op(OpKind::dft, {spectrum->front()}, {{"inverse", int64_t{1}}}), {1, 0, 2, 0, 4, 0});
  const auto half = run_op(OpKind::dft, {x}, {{"onesided", int64_t{1}}});
  expect_near(half, {7, 0, -2, root});
  const std::vector<NamedAttribute> back = {{"onesided", int64_t{1}}, {"inverse", int64_t{1}}};
  expect_near(run_op(OpKind::dft, {half->front(), Tensor::scalar<int64_t>(3)}, back), {1, 2, 4});
}

// Lines of reals are transformed in pairs, the last one of a sample by itself; the sums themselves say what comes out.
TEST(NewerOpsets, DftOfSeveralLines) {
  const ir::Dims dims = {2, 3, 6, 5, 1};
  std::vector<float> x;
  for (int i = 0; i < 180; ++i) x.push_back(static_cast<float>(i * i % 23) - 11);
  for (const int64_t axis : {0, 1, 2, 3}) {
    int64_t inner = 1;
    for (size_t d = static_cast<size_t>(axis) + 1; d < dims.size(); ++d) inner *= dims[d];
    const int64_t length = dims[static_cast<size_t>(axis)];
    std::vector<float> expected;
    for (int64_t i = 0; i < 180; ++i) {
      const int64_t k = i / inner % length, first = i - k * inner;
      double re = 0, im = 0;
      for (int64_t n = 0; n < length; ++n) {
        const double angle = -2 * std::acos(-1.0) * static_cast<double>(k * n) / static_cast<double>(length);
        const double number = static_cast<double>(x[static_cast<size_t>(first + n * inner)]);
        re += number * std::cos(angle);
        im += number * std::sin(angle);
      }
      expected.push_back(static_cast<float>(re));
      expected.push_back(static_cast<float>(im));
    }
    expect_near(run_op(OpKind::dft, {Tensor::of<float>(dims, x), Tensor(), Tensor::scalar<int64_t>(axis)}), expected);
  }
}

TEST(NewerOpsets, SwishIsASigmoidTimesItsOperand) {
  expect_near(run_op(OpKind::swish, {vector({0, 2})}, {{"alpha", 0.5F}}), {0, 2 / (1 + std::exp(-1.0F))});
}

TEST(NewerOpsets, BitwiseOperatorsTakeEveryBit) {
  const Tensor a = Tensor::of<int8_t>({2}, std::vector<int8_t>{12, -1}),
               b = Tensor::of<int8_t>({2}, std::vector<int8_t>{10, 1});
  expect_ints(run_op(OpKind::bitwise_and, {a, b}), {2}, {8, 1});
  expect_ints(run_op(OpKind::bitwise_or, {a, b}), {2}, {14, -1});
  expect_ints(run_op(OpKind::bitwise_xor, {a, b}), {2}, {6, -2});
  expect_ints(run_op(OpKind::bitwise_not, {a}), {2}, {-13, 0});
}

TEST(NewerOpsets, IntegersOfFewBitsKeepTheLowOnes) {
  const auto cast = [](DType to) {
    return run_op(OpKind::cast, {vector({-9, -1.5F, 7, 9})}, {{"to", static_cast<int64_t>(to)}});
  };
  expect_ints(cast(DType::i4), {4}, {7, -1, 7, -7});
  expect_ints(cast(DType::u4), {4}, {7, 15, 7, 9});
}

TEST(NewerOpsets, StftTakesSignalsWithAndWithoutAnAxisForTheParts) {
  // Frames {1, 2} and {3, 4}, of two bins: sum and difference.
  const std::vector<float> samples = {1, 2, 3, 4};
  const Tensor step = Tensor::of<int64_t>({}, std::vector<int64_t>{2});
  for (const ir::Dims& dims : {ir::Dims{1, 4}, ir::Dims{1, 4, 1}}) {
    expect_near(run_op(OpKind::stft, {Tensor::of<float>(dims, samples), step, vector({1, 1})}, {}),
                {3, 0, -1, 0, 7, 0, -1, 0});
  }
}

}  // namespace
}  // namespace edgesmith::ops
