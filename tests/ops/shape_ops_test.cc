// SPDX-License-Identifier: Apache-2.0
// Operators that only change shapes, and shape arithmetic through whole graphs. Expected shapes: the texts of the ONNX
// operators and numpy.reshape.
#include <gtest/gtest.h>

#include "eval_helper.h"

namespace edgesmith::ops {
namespace {

using ir::Dim;
using ir::OpKind;

ir::Tensor ramp(const ir::Dims& dims) {
  std::vector<float> values(static_cast<size_t>(ir::num_elements(dims)));
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  return f32(dims, values);
}

ir::Dims reshaped(const ir::Dims& from, const std::vector<int64_t>& to, int64_t allowzero = 0) {
  const auto y =
      run_op(OpKind::reshape, {ramp(from), i64({static_cast<int64_t>(to.size())}, to)}, {{"allowzero", allowzero}});
  if (!y.ok()) return {-99};
  EXPECT_EQ((*y)[0].to_floats(), ramp(from).to_floats());
  return (*y)[0].dims();
}

TEST(Reshape, TakesZerosAndOneOpenDim) {
  EXPECT_EQ(reshaped({2, 3, 4}, {4, 6}), (ir::Dims{4, 6}));
  EXPECT_EQ(reshaped({2, 3, 4}, {0, -1}), (ir::Dims{2, 12}));
  EXPECT_EQ(reshaped({2, 3, 4}, {-1, 0, 2, 2}), (ir::Dims{2, 3, 2, 2}));
  EXPECT_EQ(reshaped({1, 1}, {}), (ir::Dims{}));
  EXPECT_EQ(reshaped({}, {1, -1}), (ir::Dims{1, 1}));
  EXPECT_EQ(reshaped({0, 3}, {3, 0}, 1), (ir::Dims{3, 0}));
  EXPECT_EQ(reshaped({0, 3}, {-1, 3}), (ir::Dims{0, 3}));
}

TEST(Reshape, RefusesWhatDoesNotFit) {
  const auto reshape = [](const std::vector<int64_t>& to) {
    return run_op(OpKind::reshape, {ramp({2, 3}), i64({static_cast<int64_t>(to.size())}, to)});
  };
  expect_error(reshape({4, 2}), ErrorKind::invalid, "[2,3] to [4,2]");
  expect_error(reshape({4, -1}), ErrorKind::invalid, "[2,3]");
  expect_error(reshape({-1, -1}), ErrorKind::invalid, "both -1");
  expect_error(reshape({1, 6, 0}), ErrorKind::invalid, "rank 2");
  expect_error(reshape({-2, 3}), ErrorKind::invalid, "-2");
  expect_error(run_op(OpKind::reshape, {ramp({0}), i64({2}, {0, -1})}, {{"allowzero", int64_t{1}}}), ErrorKind::invalid,
               "[0]");
  expect_error(run_op(OpKind::reshape, {ramp({2}), f32({1}, {2})}), ErrorKind::invalid, "f32[1]");
}

TEST(Flatten, CutsTheShapeAtItsAxis) {
  const auto flattened = [](const ir::Dims& dims, int64_t axis) {
    return (*run_op(OpKind::flatten, {ramp(dims)}, {{"axis", axis}}))[0].dims();
  };
  EXPECT_EQ(flattened({2, 3, 4}, 1), (ir::Dims{2, 12}));
  EXPECT_EQ(flattened({2, 3, 4}, 0), (ir::Dims{1, 24}));
  EXPECT_EQ(flattened({2, 3, 4}, 3), (ir::Dims{24, 1}));
  EXPECT_EQ(flattened({2, 3, 4}, -1), (ir::Dims{6, 4}));
  EXPECT_EQ(flattened({}, 0), (ir::Dims{1, 1}));
  expect_error(run_op(OpKind::flatten, {ramp({2})}, {{"axis", int64_t{2}}}), ErrorKind::invalid,
               "axis 2 is out of range for rank 1");
}

TEST(Squeeze, DropsDimsOfOne) {
  EXPECT_EQ((*run_op(OpKind::squeeze, {ramp({1, 3, 1})}))[0].dims(), (ir::Dims{3}));
  EXPECT_EQ((*run_op(OpKind::squeeze, {ramp({1, 3, 1}), i64({1}, {-1})}))[0].dims(), (ir::Dims{1, 3}));
  expect_error(run_op(OpKind::squeeze, {ramp({1, 3}), i64({1}, {1})}), ErrorKind::invalid, "size 3");
}

TEST(Unsqueeze, PutsDimsOfOneWhereTheResultHasThem) {
  EXPECT_EQ((*run_op(OpKind::unsqueeze, {ramp({3}), i64({2}, {0, -1})}))[0].dims(), (ir::Dims{1, 3, 1}));
  EXPECT_EQ((*run_op(OpKind::unsqueeze, {ramp({}), i64({1}, {0})}))[0].dims(), (ir::Dims{1}));
  expect_error(run_op(OpKind::unsqueeze, {ramp({3}), i64({1}, {2})}), ErrorKind::invalid, "rank 2");
}

TEST(ShapeOp, SlicesTheDims) {
  const auto shape = [](const std::vector<NamedAttribute>& attributes) {
    return (*run_op(OpKind::shape, {ramp({2, 3, 4})}, attributes))[0].to_int64s();
  };
  EXPECT_EQ(shape({}), (std::vector<int64_t>{2, 3, 4}));
  EXPECT_EQ(shape({{"start", int64_t{-1}}}), (std::vector<int64_t>{4}));
  EXPECT_EQ(shape({{"end", int64_t{-1}}}), (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(shape({{"start", int64_t{-10}}, {"end", int64_t{10}}}), (std::vector<int64_t>{2, 3, 4}));
  EXPECT_EQ(shape({{"start", int64_t{2}}, {"end", int64_t{1}}}), (std::vector<int64_t>{}));
}

TEST(Scalars, AndStringsCanBeReshaped) {
  const auto y = run_op(OpKind::unsqueeze, {ir::Tensor::strings({1}, {"cat"}), i64({1}, {0})});
  ASSERT_TRUE(y.ok());
  EXPECT_EQ((*y)[0].string_data()[0], "cat");
}

// --- inference with symbols ---

struct Shapes {
  ir::Graph graph;
  ir::Value& x;

  explicit Shapes(ir::Shape shape) : x(graph.add_input("x", {ir::DType::f32, std::move(shape)})) {}
  ir::Value& ints(const std::vector<int64_t>& values) {
    return graph.add_constant(i64({static_cast<int64_t>(values.size())}, values));
  }
  /// The dims [start, end) of x.
  ir::Value& dims(int64_t start, int64_t end) {
    ir::Node& node = graph.append(OpKind::shape, {&x});
    node.attributes().set("start", start);
    node.attributes().set("end", end);
    return node.output();
  }
  ir::Value& binary(OpKind op, ir::Value& a, ir::Value& b) { return graph.append(op, {&a, &b}).output(); }
  /// The inferred type of x reshaped to `shape`.
  std::string reshaped(ir::Value& shape) {
    ir::Value& y = graph.append(OpKind::reshape, {&x, &shape}).output();
    const Status status = infer_types(graph);
    return status.ok() ? y.type().text() : status.error().message;
  }
};

const Dim kN("N"), kH("H");

TEST(Reshape, KeepsTheSymbolOfACopiedDim) {
  Shapes s({kN, 3, 4});
  EXPECT_EQ(s.reshaped(s.ints({0, -1})), "f32[N,12]");
}

TEST(Reshape, GivesTheOpenDimTheSymbolThatIsLeft) {
  Shapes flat({kN, 3, 4});
  EXPECT_EQ(flat.reshaped(flat.ints({-1, 12})), "f32[N,12]");
  Shapes swapped({kN, 8, kH});
  EXPECT_EQ(swapped.reshaped(swapped.ints({0, 2, 4, -1})), "f32[N,2,4,H]");
  Shapes mixed({kN, 8, kH});
  EXPECT_EQ(mixed.reshaped(mixed.ints({-1, 8})), "f32[?,8]");
  Shapes unknown({Dim(), 6});
  EXPECT_EQ(unknown.reshaped(unknown.ints({0, 3, -1})), "f32[?,3,2]");
}

TEST(Reshape, CancelsSymbolsThatTheShapeNames) {
  Shapes s({kN, 8, kH});
  ir::Value& shape = s.binary(OpKind::mul, s.dims(0, 3), s.ints({1, 1, 1}));
  EXPECT_EQ(s.reshaped(shape), "f32[N,8,H]");
}

TEST(Reshape, ReportsSizesThatCannotBeEqual) {
  Shapes s({2, 3});
  EXPECT_NE(s.reshaped(s.ints({4, 2})).find("[2,3] to [4,2]"), std::string::npos);
}

TEST(Reshape, KnowsItsRankFromTheLengthOfAnUnknownShape) {
  Shapes s({kN, 4});
  ir::Value& shape = s.graph.add_input("shape", ir::type_of(ir::DType::i64, {3}));
  EXPECT_EQ(s.reshaped(shape), "f32[?,?,?]");
}

TEST(ShapeArithmetic, ComputesNumbersAndKeepsSymbols) {
  struct Case {
    OpKind op;
    std::vector<int64_t> b;
    std::string expected;
  };
  // x is f32[N,6,4]; the first two dims, combined with b, are the first two dims of the new shape.
  const std::vector<Case> cases = {
      {OpKind::mul, {1, 4}, "f32[N,24]"}, {OpKind::add, {0, 18}, "f32[N,24]"}, {OpKind::sub, {0, -18}, "f32[N,24]"},
      {OpKind::div, {1, 3}, "f32[N,2]"},  {OpKind::max, {0, 24}, "f32[N,24]"}, {OpKind::min, {0, 2}, "f32[0,2]"},
      {OpKind::mul, {2, 4}, "f32[?,24]"}, {OpKind::mod, {2, 4}, "f32[?,2]"},
  };
  for (const Case& c : cases) {
    Shapes s({kN, 6, 4});
    ir::Value& shape = s.graph.append(OpKind::identity, {&s.binary(c.op, s.dims(0, 2), s.ints(c.b))}).output();
    ir::Value& y =
        s.graph.append(OpKind::reshape, {&s.graph.add_input("free", {ir::DType::f32, std::nullopt}), &shape}).output();
    ASSERT_TRUE(infer_types(s.graph).ok());
    // A 0 in the shape means "copy", which nothing is known about here.
    EXPECT_EQ(y.type().text(), c.op == OpKind::min ? "f32[?,2]" : c.expected) << ir::op_name(c.op);
  }
}

TEST(ShapeArithmetic, FoldsAProductOfDims) {
  Shapes s({kN, 6, 4});
  ir::Node& product = s.graph.append(OpKind::reduce_prod, {&s.dims(1, 3)});
  EXPECT_EQ(s.reshaped(s.binary(OpKind::add, product.output(), s.ints({0}))), "f32[24]");
}

TEST(Squeeze, AndUnsqueezeCarrySymbolsThroughScalars) {
  Shapes s({kN, 6});
  ir::Value& scalar = s.graph.append(OpKind::squeeze, {&s.dims(0, 1), &s.ints({0})}).output();
  ir::Value& vector = s.graph.append(OpKind::unsqueeze, {&scalar, &s.ints({0})}).output();
  ir::Value& free = s.graph.add_input("free", {ir::DType::f32, std::nullopt});
  ir::Value& y = s.graph.append(OpKind::reshape, {&free, &vector}).output();
  ASSERT_TRUE(infer_types(s.graph).ok());
  EXPECT_EQ(scalar.type().text(), "i64[]");
  EXPECT_EQ(y.type().text(), "f32[N]");
}

TEST(Flatten, KeepsTheBatchSymbol) {
  Shapes s({kN, 3, 4});
  ir::Value& y = s.graph.append(OpKind::flatten, {&s.x}).output();
  ir::Node& middle = s.graph.append(OpKind::flatten, {&s.x});
  middle.attributes().set("axis", int64_t{2});
  ASSERT_TRUE(infer_types(s.graph).ok());
  EXPECT_EQ(y.type().text(), "f32[N,12]");
  EXPECT_EQ(middle.output().type().text(), "f32[?,4]");
}

}  // namespace
}  // namespace edgesmith::ops
