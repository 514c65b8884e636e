// SPDX-License-Identifier: Apache-2.0
// Gradients of whole graphs: sums over several readers, what gets none, and errors that name the node.
#include <gtest/gtest.h>

#include "edgesmith/ir/text.h"
#include "edgesmith/ir/verifier.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/train/differentiate.h"
#include "train/run_plainly.h"

namespace edgesmith::train {
namespace {

ir::Graph must_parse(const std::string& text) {
  auto graph = ir::parse(text);
  EXPECT_TRUE(graph.ok()) << graph.error().text();
  return std::move(*graph);
}

ir::Value* find(const ir::Graph& graph, std::string_view name) {
  for (const ir::Node& node : graph.nodes()) {
    for (int i = 0; i < node.num_outputs(); ++i) {
      if (node.output(i).name() == name) return &node.output(i);
    }
  }
  ADD_FAILURE() << "no value " << name;
  return nullptr;
}

/// The gradients of the values named, run on `inputs`; an invalid tensor where there is none.
std::vector<ir::Tensor> gradients_of(ir::Graph& graph, std::string_view loss, const std::vector<std::string>& names,
                                     const std::vector<ir::Tensor>& inputs) {
  std::vector<ir::Value*> values;
  for (const std::string& name : names) values.push_back(find(graph, name));
  const auto gradients = differentiate(graph, *find(graph, loss), values);
  EXPECT_TRUE(gradients.ok()) << gradients.error().text();
  if (!gradients) return {};
  EXPECT_TRUE(ir::verify(graph).ok());
  std::vector<ir::Tensor> tensors;
  for (const ir::Value* gradient : *gradients) {
    tensors.emplace_back();
    if (gradient == nullptr) continue;
    const auto run = run_plainly(graph, inputs, {gradient});
    EXPECT_TRUE(run.ok()) << run.error().text();
    if (run) tensors.back() = (*run)[0];
  }
  return tensors;
}

ir::Tensor f32(ir::Dims dims, const std::vector<float>& values) {
  return ir::Tensor::of<float>(std::move(dims), values);
}

using Floats = std::vector<float>;

TEST(Differentiate, AddsUpOverReaders) {
  ir::Graph graph = must_parse(R"(graph @g(%x: f32[2]) -> (loss) {
    %a = mul %x, %x
    %b = add %a, %x
    %c = mul %a, %b
    %loss = reduce_sum %c {keepdims=0}
    return %loss })");
  // x^2 (x^2 + x): 4 x^3 + 3 x^2
  const auto gradients = gradients_of(graph, "loss", {"x", "a"}, {f32({2}, {1, 2})});
  EXPECT_EQ(gradients[0].to_floats(), (Floats{7, 44}));
  EXPECT_EQ(gradients[1].to_floats(), (Floats{3, 10}));  // of a (a + x): 2 a + x
}

TEST(Differentiate, GivesTheLossItselfOne) {
  ir::Graph graph = must_parse("graph @g(%x: f32[1,1]) -> (y) { %y = relu %x return %y }");
  const auto gradients = gradients_of(graph, "y", {"y", "x"}, {f32({1, 1}, {3})});
  EXPECT_EQ(gradients[0].to_floats(), Floats{1});
  EXPECT_EQ(gradients[1].dims(), (ir::Dims{1, 1}));
}

TEST(Differentiate, GivesNothingWhereTheLossDoesNotDepend) {
  ir::Graph graph = must_parse(R"(graph @g(%x: f32[2], %z: f32[2], %i: f32[2]) -> (loss, other) {
    %other = mul %z, %x
    %places = cast %i {to=7}
    %reals = cast %places {to=1}
    %y = mul %x, %reals
    %loss = reduce_sum %y {keepdims=0}
    return %loss, %other })");
  const auto gradients =
      gradients_of(graph, "loss", {"x", "z", "i"}, {f32({2}, {1, 2}), f32({2}, {0, 0}), f32({2}, {3, 4})});
  EXPECT_EQ(gradients[0].to_floats(), (Floats{3, 4}));
  EXPECT_FALSE(gradients[1].valid());
  EXPECT_FALSE(gradients[2].valid());  // through integers
}

TEST(Differentiate, ReachesConstantsAndNamesTheGradients) {
  ir::Graph graph = must_parse(R"(graph @g(%x: f32[N,2]) -> (loss) {
    %w = constant {1, 2} : f32[2,1]
    %y = mat_mul %x, %w
    %loss = reduce_mean %y {keepdims=0}
    return %loss })");
  const auto gradients = gradients_of(graph, "loss", {"w"}, {f32({2, 2}, {1, 2, 3, 4})});
  EXPECT_EQ(gradients[0].to_floats(), (Floats{2, 3}));
  EXPECT_EQ(find(graph, "w.gradient")->type().text(), "f32[2,1]");
}

TEST(Differentiate, KeepsFreeDims) {
  ir::Graph graph = must_parse(R"(graph @g(%x: f32[N,2], %b: f32[2]) -> (loss) {
    %y = add %x, %b
    %z = mul %y, %y
    %loss = reduce_sum %z {keepdims=0}
    return %loss })");
  std::vector<ir::Value*> values = {find(graph, "x"), find(graph, "b")};
  const auto gradients = differentiate(graph, *find(graph, "loss"), values);
  ASSERT_TRUE(gradients.ok()) << gradients.error().text();
  EXPECT_EQ((*gradients)[0]->type().text(), "f32[N,2]");
  EXPECT_EQ((*gradients)[1]->type().text(), "f32[2]");
}

TEST(Differentiate, LetsTiesShareOrTakesTheFirst) {
  ir::Graph graph = must_parse(R"(graph @g(%x: f32[4]) -> (loss) {
    %m = max %x, %x
    %r = reduce_max %x {keepdims=0}
    %s = reduce_sum %m {keepdims=0}
    %loss = add %r, %s
    return %loss })");
  const auto gradients = gradients_of(graph, "loss", {"x"}, {f32({4}, {1, 5, 5, 2})});
  EXPECT_EQ(gradients[0].to_floats(), (Floats{1, 1.5f, 1.5f, 1}));
}

TEST(Differentiate, WorksOnHalfFloats) {
  ir::Graph graph = must_parse(R"(graph @g(%x: f16[3]) -> (loss) {
    %y = sigmoid %x
    %c = cast %y {to=1}
    %loss = reduce_sum %c {keepdims=0}
    return %loss })");
  ir::Tensor x = ir::Tensor::zeros(ir::DType::f16, {3});
  const auto gradients = gradients_of(graph, "loss", {"x"}, {x});
  EXPECT_EQ(gradients[0].dtype(), ir::DType::f16);
  EXPECT_EQ(gradients[0].to_floats(), (Floats{0.25f, 0.25f, 0.25f}));
}

TEST(Differentiate, PassesAnnotationsStraightThrough) {
  ir::Graph graph = must_parse(R"(graph @g(%x: f32[2]) -> (loss) {
    %y = relu %x : f32[2] q(u8, scale=0.5, zp=0)
    %loss = reduce_sum %y {keepdims=0}
    return %loss })");
  const auto gradients = gradients_of(graph, "loss", {"x"}, {f32({2}, {0.3f, -1})});
  EXPECT_EQ(gradients[0].to_floats(), (Floats{1, 0}));
}

TEST(Differentiate, WritesOrdinaryNodes) {
  ir::Graph graph = must_parse(R"(graph @g(%x: f32[N,2], %w: f32[2,1]) -> (loss) {
    %y = mat_mul %x, %w
    %t = tanh %y
    %loss = reduce_sum %t {keepdims=0}
    return %loss })");
  std::vector<ir::Value*> weights = {find(graph, "w")};
  const auto gradients = differentiate(graph, *find(graph, "loss"), weights);
  ASSERT_TRUE(gradients.ok()) << gradients.error().text();
  EXPECT_EQ(ir::print(graph), R"(graph @g(%x: f32[N,2], %w: f32[2,1]) -> (loss) {
  %0 = constant {1} : f32[]
  %1 = constant {0, 1} : i64[2]
  %y = mat_mul %x, %w : f32[N,1]
  %t = tanh %y : f32[N,1]
  %2 = shape %t : i64[2]
  %loss = reduce_sum %t {keepdims=0} : f32[]
  %3 = unsqueeze %0, %1 : f32[1,1]
  %4 = expand %3, %2 : f32[N,1]
  %5 = mul %t, %t : f32[N,1]
  %6 = sub %0, %5 : f32[N,1]
  %7 = mul %4, %6 : f32[N,1]
  %8 = transpose %x {perm=[1, 0]} : f32[2,N]
  %w.gradient = mat_mul %8, %7 : f32[2,1]
  return %loss
}
)");
}

struct Refusal {
  const char* lines;
  ErrorKind kind;
  const char* message;
};

class DifferentiateRefuses : public ::testing::TestWithParam<Refusal> {};

TEST_P(DifferentiateRefuses, AndLeavesTheGraphAsItWas) {
  ir::Graph graph = must_parse("graph @g(%x: f32[N,2,H,8], %i: i64[1], %w: f32[2,2,3,3]) -> (loss) {\n" +
                               std::string(GetParam().lines) + "\nreturn %loss }");
  std::vector<ir::Value*> values = {find(graph, "x")};
  ASSERT_TRUE(ops::infer_types(graph).ok());
  const std::string before = ir::print(graph);
  const auto gradients = differentiate(graph, *find(graph, "loss"), values);
  ASSERT_FALSE(gradients.ok());
  EXPECT_EQ(gradients.error().kind, GetParam().kind);
  EXPECT_EQ(gradients.error().message, GetParam().message);
  EXPECT_EQ(ir::print(graph), before);
}

INSTANTIATE_TEST_SUITE_P(
    Differentiate, DifferentiateRefuses,
    ::testing::Values(
        Refusal{"%loss = relu %x", ErrorKind::invalid,
                "the loss, value 'loss', is f32[N,2,H,8], must have one element"},
        Refusal{"%loss = identity %i", ErrorKind::invalid, "value 'loss' is i64[1], a gradient needs floats"},
        Refusal{"%y = floor %x @\"cut\"  %loss = reduce_sum %y {keepdims=0}", ErrorKind::unsupported,
                "floor 'cut': operator Floor has no gradient: its result is piecewise constant"},
        Refusal{"%y = opaque(\"LSTM\") %x : f32[N,4]  %loss = reduce_sum %y {keepdims=0}", ErrorKind::unsupported,
                "LSTM producing 'y': operator LSTM has no gradient: recurrent operators are not differentiated"},
        Refusal{"%y = opaque(\"acme::Swish\") %x : f32[N,4]  %loss = reduce_sum %y {keepdims=0}",
                ErrorKind::unsupported,
                "acme::Swish producing 'y': operator acme::Swish has no gradient: edgesmith does not know it"},
        // The first nodes of the backward graph are there already when this one refuses.
        Refusal{"%c = conv %x, %w {auto_pad=\"SAME_UPPER\", strides=[2,2]} @\"stem\"  %y = exp %c  "
                "%loss = reduce_sum %y {keepdims=0}",
                ErrorKind::unsupported,
                "conv 'stem': its padding depends on the size of spatial axis 0, which is not known, and its gradient "
                "on the padding"},
        Refusal{"%r = reduce_sum %x, %i @\"sum\"  %loss = reduce_sum %r {keepdims=0}", ErrorKind::unsupported,
                "reduce_sum 'sum': its operand axes is not constant, which its gradient needs"}));

}  // namespace
}  // namespace edgesmith::train
