// SPDX-License-Identifier: Apache-2.0
// Operators and forms that ONNX's conformance vectors of opset 17 do not have: results worked out by hand.
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

}  // namespace
}  // namespace edgesmith::ops
