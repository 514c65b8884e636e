// SPDX-License-Identifier: Apache-2.0
// Matrix products. Expected numbers: onnxruntime 1.32 (PyPI) on one-node models.
#include "ops/eval_helper.h"

namespace edgesmith::ops {
namespace {

using ir::OpKind;

TEST(Gemm, ScalesTransposesAndBroadcastsC) {
  const auto a = f32({2, 3}, {1, 2, 3, 4, 5, 6});
  const auto y =
      run_op(OpKind::gemm, {a, a, f32({2, 1}, {1, 2})}, {{"transB", int64_t{1}}, {"alpha", 0.5f}, {"beta", 2.0f}});
  expect_floats(y, {2, 2}, {9, 18, 20, 42.5});
}

TEST(Gemm, AddsTheBiasOfEachColumn) {
  const auto y = run_op(OpKind::gemm, {f32({1, 2}, {1, 2}), f32({2, 2}, {1, 2, 3, 4}), f32({2}, {10, 20})});
  expect_floats(y, {1, 2}, {17, 30});
}

TEST(Gemm, OfEmptyInnerDimIsTheBias) {
  expect_floats(run_op(OpKind::gemm, {f32({2, 0}, {}), f32({0, 1}, {}), f32({}, {7})}), {2, 1}, {7, 7});
}

TEST(Gemm, RefusesShapesThatDoNotFit) {
  const auto a = f32({2, 3}, {1, 2, 3, 4, 5, 6});
  expect_error(run_op(OpKind::gemm, {a, a}), ErrorKind::invalid, "3 and 2");
  expect_error(run_op(OpKind::gemm, {f32({2}, {1, 2}), a}), ErrorKind::invalid, "rank");
  expect_error(run_op(OpKind::gemm, {a, a, f32({3}, {1, 2, 3})}, {{"transB", int64_t{1}}}), ErrorKind::invalid, "C");
}

TEST(Gemm, HasItsOutputChannelsWhereTransBSays) {
  const auto facts = [](std::vector<NamedAttribute> attributes) {
    OneNode one(OpKind::gemm, {{}, {}}, attributes);
    return quant_facts(*one.node);
  };
  EXPECT_EQ(facts({}).weight_axis, 1);
  EXPECT_EQ(facts({{"transB", int64_t{1}}}).weight_axis, 0);
  EXPECT_EQ(facts({{"alpha", 2.0f}}).kind, QuantFacts::Kind::float_only);
}

TEST(MatMul, BroadcastsBatches) {
  const auto y = run_op(OpKind::mat_mul, {f32({2, 1, 2, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}),
                                          f32({3, 3, 1}, {1, 2, 3, 4, 5, 6, 7, 8, 9})});
  expect_floats(y, {2, 3, 2, 1}, {14, 32, 32, 77, 50, 122, 50, 68, 122, 167, 194, 266});
}

TEST(MatMul, DropsTheDimOfAVector) {
  const auto matrices = f32({2, 3, 2}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
  expect_floats(run_op(OpKind::mat_mul, {f32({3}, {1, 2, 3}), matrices}), {2, 2}, {22, 28, 58, 64});
  expect_floats(run_op(OpKind::mat_mul, {f32({2}, {1, 2}), f32({2}, {3, 4})}), {}, {11});
}

TEST(MatMul, WrapsIntegersAround) {
  const auto a = ir::Tensor::of<int32_t>({1, 1}, {1 << 30}), b = ir::Tensor::of<int32_t>({1, 1}, {6});
  expect_ints(run_op(OpKind::mat_mul, {a, b}), {1, 1}, {-(int64_t{1} << 31)});
}

TEST(MatMul, RefusesShapesThatDoNotFit) {
  expect_error(run_op(OpKind::mat_mul, {f32({}, {1}), f32({1}, {1})}), ErrorKind::invalid, "scalar");
  expect_error(run_op(OpKind::mat_mul, {f32({1, 2}, {1, 2}), f32({1, 1}, {1})}), ErrorKind::invalid, "2 and 1");
}

TEST(MatMul, CountsAConstantMatrixAsAWeight) {
  ir::Graph graph;
  ir::Value& x = graph.add_input("x", {ir::DType::f32, ir::Shape{ir::Dim("N"), 4}});
  ir::Value& w = graph.add_constant(ir::Tensor::zeros(ir::DType::f32, {4, 5}));
  ir::Node& node = graph.append(OpKind::mat_mul, {&x, &w});
  ASSERT_TRUE(infer_types(graph).ok());
  EXPECT_EQ(node.output().type().text(), "f32[N,5]");
  EXPECT_EQ(cost_of(node).macs, 20);
  EXPECT_EQ(quant_facts(node).weight_operand, 1);
  EXPECT_EQ(quant_facts(node).weight_axis, 1);
}

}  // namespace
}  // namespace edgesmith::ops
