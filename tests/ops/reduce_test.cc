// SPDX-License-Identifier: Apache-2.0
// Reductions, ArgMax and ArgMin. Expected values: onnx 1.23 ReferenceEvaluator (opset 23); reducing along no axes: the
// text of the operators (the formula without the sum).
#include <gtest/gtest.h>

#include <limits>

#include "eval_helper.h"

namespace edgesmith::ops {
namespace {

using ir::OpKind;

const float kInf = std::numeric_limits<float>::infinity();
const float kNan = std::numeric_limits<float>::quiet_NaN();
const ir::Tensor kX = f32({3, 2, 2}, {5, 1, 20, 2, 30, 1, 40, 2, 55, 1, 60, -2});
const NamedAttribute kNoDims = {"keepdims", int64_t{0}};
const NamedAttribute kNoop = {"noop_with_empty_axes", int64_t{1}};

struct ReduceCase {
  OpKind op;
  std::vector<float> axis_1, all, outer_inner, of_nothing, along_none;
};

const std::vector<ReduceCase> kCases = {
    {OpKind::reduce_l1, {25, 3, 70, 3, 115, 3}, {219}, {93, 126}, {0, 0}, {5, 1, 20, 2}},
    {OpKind::reduce_l2,
     {20.6155281f, 2.23606801f, 50, 2.23606801f, 81.394104f, 2.23606801f},
     {97.8008194f},
     {62.8728867f, 74.9132843f},
     {0, 0},
     {5, 1, 20, 2}},
    {OpKind::reduce_log_sum,
     {3.21887589f, 1.09861231f, 4.2484951f, 1.09861231f, 4.74493217f, kNan},
     {5.37063789f},
     {4.53259945f, 4.80402088f},
     {-kInf, -kInf},
     {1.60943794f, 0, 2.99573231f, 0.693147182f}},
    {OpKind::reduce_log_sum_exp,
     {20, 2.31326175f, 40.0000458f, 2.31326175f, 60.0067139f, 1.04858732f},
     {60.0067139f},
     {55, 60},
     {-kInf, -kInf},
     {5, 1, 20, 2}},
    {OpKind::reduce_max, {20, 2, 40, 2, 60, 1}, {60}, {55, 60}, {-kInf, -kInf}, {5, 1, 20, 2}},
    {OpKind::reduce_mean,
     {12.5f, 1.5f, 35, 1.5f, 57.5f, -0.5f},
     {17.916666f},
     {15.5f, 20.333334f},
     {kNan, kNan},
     {5, 1, 20, 2}},
    {OpKind::reduce_min, {5, 1, 30, 1, 55, -2}, {-2}, {1, -2}, {kInf, kInf}, {5, 1, 20, 2}},
    {OpKind::reduce_prod, {100, 2, 1200, 2, 3300, -2}, {-3.168e+09f}, {8250, -384000}, {1, 1}, {5, 1, 20, 2}},
    {OpKind::reduce_sum, {25, 3, 70, 3, 115, -1}, {215}, {93, 122}, {0, 0}, {5, 1, 20, 2}},
    {OpKind::reduce_sum_square, {425, 5, 2500, 5, 6625, 5}, {9565}, {3953, 5612}, {0, 0}, {25, 1, 400, 4}},
};

TEST(Reductions, ComputeWhatTheOnnxReferenceComputes) {
  for (const ReduceCase& c : kCases) {
    SCOPED_TRACE(ir::op_name(c.op));
    expect_floats(run_op(c.op, {kX, i64({1}, {1})}), {3, 1, 2}, c.axis_1);
    expect_floats(run_op(c.op, {kX}, {kNoDims}), {}, c.all);
    expect_floats(run_op(c.op, {kX}), {1, 1, 1}, c.all);
    expect_floats(run_op(c.op, {kX, i64({2}, {-1, 0})}, {kNoDims}), {2}, c.outer_inner);
    expect_floats(run_op(c.op, {f32({2, 0, 1}, {}), i64({1}, {1})}), {2, 1, 1}, c.of_nothing);
    expect_floats(run_op(c.op, {f32({2, 2}, {5, 1, 20, 2}), i64({0}, {})}, {kNoop}), {2, 2}, c.along_none);
    expect_floats(run_op(c.op, {f32({2, 2}, {5, 1, 20, 2})}, {kNoop}), {2, 2}, c.along_none);
  }
}

TEST(Reductions, TakeScalarsAndOperandsWithoutElements) {
  for (const ReduceCase& c : kCases) {
    SCOPED_TRACE(ir::op_name(c.op));
    const auto scalar = run_op(c.op, {f32({}, {1})});
    ASSERT_TRUE(scalar.ok());
    EXPECT_EQ((*scalar)[0].dims(), ir::Dims{});
    expect_floats(run_op(c.op, {f32({0, 3}, {}), i64({1}, {1})}), {0, 1}, {});
  }
}

TEST(Reductions, RefuseAxesOutOfRangeOrTwice) {
  expect_error(run_op(OpKind::reduce_sum, {kX, i64({1}, {3})}), ErrorKind::invalid,
               "axis 3 is out of range for rank 3");
  expect_error(run_op(OpKind::reduce_sum, {kX, i64({2}, {1, -2})}), ErrorKind::invalid, "twice");
  expect_error(run_op(OpKind::reduce_sum, {kX, f32({1}, {1})}), ErrorKind::invalid, "f32[1]");
  expect_error(run_op(OpKind::reduce_sum, {kX}, {{"keepdims", int64_t{2}}}), ErrorKind::invalid, "keepdims");
}

TEST(Reductions, AddManySmallFloatsWithoutLosingThem) {
  // Added one by one in f32 this gives 100958.34 (numpy.cumsum); 0.1f * 1e6 is 100000.00149.
  const std::vector<float> x(1000000, 0.1f);
  expect_floats(run_op(OpKind::reduce_sum, {f32({1000000}, x)}, {kNoDims}), {}, {100000.0015f}, 1e-8f);
}

TEST(Reductions, RunOnIntegers) {
  const ir::Tensor x = ir::Tensor::of<int32_t>({2, 2}, std::vector<int32_t>{1, -2, 3, 5});
  expect_ints(run_op(OpKind::reduce_sum, {x}, {kNoDims}), {}, {7});
  expect_ints(run_op(OpKind::reduce_mean, {x}, {kNoDims}), {}, {1});
  expect_ints(run_op(OpKind::reduce_prod, {x}, {kNoDims}), {}, {-30});
  expect_ints(run_op(OpKind::reduce_l1, {x}, {kNoDims}), {}, {11});
  const ir::Tensor nothing = ir::Tensor::of<int32_t>({0}, std::vector<int32_t>{});
  expect_ints(run_op(OpKind::reduce_max, {nothing}, {kNoDims}), {}, {std::numeric_limits<int32_t>::min()});
  expect_error(run_op(OpKind::reduce_mean, {nothing}, {kNoDims}), ErrorKind::invalid, "no elements");
  expect_error(run_op(OpKind::reduce_sum, {ir::Tensor::scalar<int8_t>(1)}), ErrorKind::unsupported, "i8");
}

TEST(ReduceMax, KeepsNan) {
  expect_floats(run_op(OpKind::reduce_max, {f32({3}, {1, kNan, 2})}), {1}, {kNan});
  expect_floats(run_op(OpKind::reduce_min, {f32({3}, {kNan, 1, 2})}), {1}, {kNan});
}

TEST(ReduceMax, TakesBooleans) {
  const ir::Tensor x = (*run_op(OpKind::greater, {f32({2, 2}, {0, 0, 0, 1}), f32({}, {0.5f})}))[0];
  expect_ints(run_op(OpKind::reduce_max, {x, i64({1}, {1})}, {kNoDims}), {2}, {0, 1});
  expect_ints(run_op(OpKind::reduce_min, {x, i64({1}, {1})}, {kNoDims}), {2}, {0, 0});
}

TEST(ReduceLogSumExp, NeverOverflows) {
  // log(2) + 1000; two infinities of the same sign.
  expect_floats(run_op(OpKind::reduce_log_sum_exp, {f32({2}, {1000, 1000})}), {1}, {1000.69315f});
  expect_floats(run_op(OpKind::reduce_log_sum_exp, {f32({3}, {-kInf, -kInf, 3})}), {1}, {3});
  expect_floats(run_op(OpKind::reduce_log_sum_exp, {f32({2}, {-kInf, -kInf})}), {1}, {-kInf});
  expect_floats(run_op(OpKind::reduce_log_sum_exp, {f32({3}, {1, kInf, kInf})}), {1}, {kInf});
  expect_floats(run_op(OpKind::reduce_log_sum_exp, {f32({3}, {1, kNan, 2})}), {1}, {kNan});
}

TEST(ArgMax, FindsTheFirstOrLastOfTheLargest) {
  const ir::Tensor y = f32({2, 3}, {2, 1, 2, 3, 10, 10});
  expect_ints(run_op(OpKind::arg_max, {y}), {1, 3}, {1, 1, 1});
  expect_ints(run_op(OpKind::arg_max, {y}, {{"axis", int64_t{1}}, kNoDims}), {2}, {0, 1});
  expect_ints(run_op(OpKind::arg_max, {y}, {{"axis", int64_t{-1}}, {"select_last_index", int64_t{1}}}), {2, 1}, {2, 2});
  expect_ints(run_op(OpKind::arg_min, {y}), {1, 3}, {0, 0, 0});
  expect_ints(run_op(OpKind::arg_min, {y}, {{"axis", int64_t{1}}, kNoDims}), {2}, {1, 0});
  expect_ints(run_op(OpKind::arg_min, {y}, {{"axis", int64_t{-1}}, {"select_last_index", int64_t{1}}}), {2, 1}, {1, 0});
}

TEST(ArgMax, RefusesAnAxisWithNothingToChooseFrom) {
  expect_error(run_op(OpKind::arg_max, {f32({2, 0}, {})}, {{"axis", int64_t{1}}}), ErrorKind::invalid, "f32[2,0]");
  expect_ints(run_op(OpKind::arg_max, {f32({0, 2}, {})}, {{"axis", int64_t{1}}}), {0, 1}, {});
  expect_error(run_op(OpKind::arg_max, {f32({}, {1})}), ErrorKind::invalid, "rank 0");
}

TEST(Reductions, InferShapesFromConstantAxes) {
  ir::Graph graph;
  ir::Value& x = graph.add_input("x", {ir::DType::f32, ir::Shape{ir::Dim("N"), 3, 4}});
  ir::Value& axes = graph.add_constant(i64({1}, {-1}));
  ir::Value& unknown = graph.add_input("axes", ir::type_of(ir::DType::i64, {2}));
  ir::Node& mean = graph.append(OpKind::reduce_mean, {&x, &axes});
  ir::Node& sum = graph.append(OpKind::reduce_sum, {&x, &axes});
  sum.attributes().set("keepdims", int64_t{0});
  ir::Node& all = graph.append(OpKind::reduce_max, {&x});
  ir::Node& some = graph.append(OpKind::reduce_max, {&x, &unknown});
  some.attributes().set("keepdims", int64_t{0});
  ir::Node& arg = graph.append(OpKind::arg_max, {&x});
  arg.attributes().set("axis", int64_t{1});
  ASSERT_TRUE(infer_types(graph).ok());
  EXPECT_EQ(mean.output().type().text(), "f32[N,3,1]");
  EXPECT_EQ(sum.output().type().text(), "f32[N,3]");
  EXPECT_EQ(all.output().type().text(), "f32[1,1,1]");
  EXPECT_EQ(some.output().type().text(), "f32[?]");
  EXPECT_EQ(arg.output().type().text(), "i64[N,1,4]");
  EXPECT_EQ(cost_of(mean).flops, 12);
}

}  // namespace
}  // namespace edgesmith::ops
