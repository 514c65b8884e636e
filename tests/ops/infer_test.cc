// SPDX-License-Identifier: Apache-2.0
// Inference over whole graphs: symbols, folded shape arithmetic, stale declarations, concrete dims.
#include <limits>

#include "ops/eval_helper.h"

namespace edgesmith::ops {
namespace {

using ir::Dim;
using ir::DType;
using ir::OpKind;
using ir::Shape;
using ir::Type;

TEST(Infer, FollowsAShapeThroughGatherConcatAndReshape) {
  ir::Graph graph;
  ir::Value& x = graph.add_input("x", {DType::f32, Shape{Dim("N"), 3, 4, 5}});
  ir::Value& zero = graph.add_constant(i64({1}, {0}));
  ir::Value& rest = graph.add_constant(i64({1}, {60}));
  ir::Value& shape = graph.append(OpKind::shape, {&x}).output();
  ir::Value& batch = graph.append(OpKind::gather, {&shape, &zero}).output();
  ir::Node& target = graph.append(OpKind::concat, {&batch, &rest});
  target.attributes().set("axis", int64_t{0});
  ir::Value& flat = graph.append(OpKind::reshape, {&x, &target.output()}).output();
  graph.add_output("y", flat);
  ASSERT_TRUE(infer_types(graph).ok());
  EXPECT_EQ(flat.type().text(), "f32[N,60]");
}

TEST(Infer, ComputesPadsThatExportersLeaveAsAChain) {
  // ConstantOfShape -> Concat -> Reshape -> Slice (reversed) -> Transpose -> Reshape: how PyTorch writes Pad.
  ir::Graph graph;
  ir::Value& x = graph.add_input("x", {DType::f32, Shape{Dim("N"), 3, 8, 8}});
  const auto constant = [&](const ir::Ints& values) -> ir::Value& {
    return graph.add_constant(i64({static_cast<int64_t>(values.size())}, values));
  };
  ir::Node& zeros = graph.append(OpKind::constant_of_shape, {&constant({4})});
  zeros.attributes().set("value", i64({1}, {0}));
  ir::Node& joined = graph.append(OpKind::concat, {&constant({1, 2, 3, 4}), &zeros.output()});
  joined.attributes().set("axis", int64_t{0});
  ir::Value& pairs = graph.append(OpKind::reshape, {&joined.output(), &constant({-1, 2})}).output();
  ir::Value& reversed =
      graph.append(OpKind::slice, {&pairs, &constant({-1}), &constant({INT64_MIN}), &constant({0}), &constant({-1})})
          .output();
  ir::Node& turned = graph.append(OpKind::transpose, {&reversed});
  turned.attributes().set("perm", ir::Ints{1, 0});
  ir::Value& pads = graph.append(OpKind::reshape, {&turned.output(), &constant({-1})}).output();
  ir::Value& padded = graph.append(OpKind::pad, {&x, &pads}).output();
  graph.add_output("y", padded);
  ASSERT_TRUE(infer_types(graph).ok());
  EXPECT_EQ(padded.type().text(), "f32[N,3,15,11]");
}

TEST(Infer, LetsInferenceWinOverStaleDims) {
  ir::Graph graph;
  ir::Value& x = graph.add_input("x", ir::type_of(DType::f32, {2, 3}));
  ir::Value& y = graph.append(OpKind::relu, {&x}).output();
  y.set_type(ir::type_of(DType::f32, {1, 3}));
  graph.add_output("y", y);
  ASSERT_TRUE(infer_types(graph).ok());
  EXPECT_EQ(y.type().text(), "f32[2,3]");
}

TEST(Infer, KeepsDeclarationsThatSayMore) {
  ir::Graph graph;
  ir::Value& x = graph.add_input("x", {DType::f32, Shape{Dim(), 3}});
  ir::Value& y = graph.append(OpKind::relu, {&x}).output();
  y.set_type({DType::f32, Shape{Dim("batch"), 3}});
  ir::Node& foreign = graph.append(OpKind::opaque, {&y});
  foreign.output().set_type({DType::f32, Shape{7}});
  graph.add_output("y", foreign.output());
  ASSERT_TRUE(infer_types(graph).ok());
  EXPECT_EQ(y.type().text(), "f32[batch,3]");
  EXPECT_EQ(foreign.output().type().text(), "f32[7]");
}

TEST(Infer, NamesTheNodeWhoseElementTypeContradicts) {
  ir::Graph graph;
  ir::Value& x = graph.add_input("x", ir::type_of(DType::f32, {2}));
  ir::Node& node = graph.append(OpKind::relu, {&x});
  node.set_name("act");
  node.output().set_type({DType::i8, std::nullopt});
  graph.add_output("y", node.output());
  expect_error(infer_types(graph), ErrorKind::invalid, "relu 'act': element type is f32");
}

TEST(Infer, RefusesDimsThatNoTensorHas) {
  ir::Graph graph;
  graph.add_input("x", ir::type_of(DType::f32, {0, std::numeric_limits<int64_t>::max()}));
  expect_error(infer_types(graph), ErrorKind::invalid, "'x' is f32[0,9223372036854775807]: no tensor is that large");
  ir::Graph joined;  // the sum of two dims that are just possible
  ir::Value& half = joined.add_input("half", ir::type_of(DType::f32, {int64_t{1} << 40}));
  ir::Node& node = joined.append(OpKind::concat, {&half, &half});
  node.attributes().set("axis", int64_t{0});
  joined.add_output("y", node.output());
  expect_error(infer_types(joined), ErrorKind::invalid, "no tensor is that large");
}

TEST(Infer, CarriesOnBehindANodeThatCannotBeRun) {
  ir::Graph graph;
  ir::Value& x = graph.add_input("x", ir::type_of(DType::f32, {2}));
  ir::Node& node = graph.append(OpKind::cast, {&x});
  node.attributes().set("to", int64_t{8});
  node.output().set_type({DType::string, Shape{2}});
  graph.add_output("y", node.output());
  ASSERT_TRUE(infer_types(graph).ok());
  EXPECT_EQ(node.output().type().text(), "string[2]");
}

TEST(InferDims, BindsSymbolsAndComputesWhatDependsOnThem) {
  ir::Graph graph;
  ir::Value& x = graph.add_input("x", {DType::f32, Shape{Dim("N"), 3, Dim("H"), Dim("W")}});
  ir::Value& sizes = graph.add_constant(i64({2}, {0, -1}));
  ir::Value& flat = graph.append(OpKind::reshape, {&x, &sizes}).output();
  ir::Node& foreign = graph.append(OpKind::opaque, {&flat});
  foreign.output().set_type({DType::f32, Shape{Dim("N"), 10}});
  graph.add_output("y", foreign.output());
  const std::vector<ir::Dims> fed = {{5, 3, 2, 7}};
  const auto dims = infer_dims(graph, fed);
  ASSERT_TRUE(dims.ok()) << dims.error().text();
  EXPECT_EQ((*dims)[static_cast<size_t>(flat.id())], (ir::Dims{5, 42}));
  EXPECT_EQ((*dims)[static_cast<size_t>(foreign.output().id())], (ir::Dims{5, 10}));
  EXPECT_FALSE(flat.type().static_dims().has_value());  // the graph itself is as before
}

TEST(InferDims, ForgetsDeclarationsMadeForOtherInputs) {
  ir::Graph graph;
  ir::Value& x = graph.add_input("x", ir::type_of(DType::f32, {1, 4}));
  ir::Node& foreign = graph.append(OpKind::opaque, {&x});
  foreign.output().set_type(ir::type_of(DType::f32, {1, 10}));
  graph.add_output("y", foreign.output());
  const std::vector<ir::Dims> as_declared = {{1, 4}}, other = {{8, 4}};
  EXPECT_EQ((*infer_dims(graph, as_declared))[static_cast<size_t>(foreign.output().id())], (ir::Dims{1, 10}));
  EXPECT_EQ((*infer_dims(graph, other))[static_cast<size_t>(foreign.output().id())], std::nullopt);
  expect_error(infer_dims(graph, {}), ErrorKind::invalid, "1 inputs");
}

}  // namespace
}  // namespace edgesmith::ops
