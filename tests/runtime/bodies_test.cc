// SPDX-License-Identifier: Apache-2.0
// Graphs inside nodes, compiled: If, Loop and functions against ops::eval, for several types, sessions and threads.
#include "runtime/bodies.h"
#include "edgesmith/base/thread_pool.h"
#include "edgesmith/ir/subgraphs.h"
#include "runtime/run_graph.h"

namespace edgesmith::runtime {
namespace {

using ir::Subgraphs;

ir::Graph graph_with(const std::string& text, Subgraphs::Kind kind, int num_inputs,
                     const std::vector<std::string>& bodies) {
  auto graph = ir::parse(text);
  EXPECT_TRUE(graph.ok()) << graph.error().text();
  auto subgraphs = std::make_shared<Subgraphs>();
  subgraphs->kind = kind;
  subgraphs->num_inputs = num_inputs;
  for (const std::string& body : bodies) {
    auto parsed = ir::parse(body);
    EXPECT_TRUE(parsed.ok()) << parsed.error().text();
    subgraphs->graphs.push_back(std::move(*parsed));
  }
  for (ir::Node& node : graph->nodes()) {
    if (node.is(ir::OpKind::opaque)) node.subgraphs = subgraphs;
  }
  EXPECT_TRUE(ops::infer_types(*graph).ok());
  return std::move(*graph);
}

// x times a constant matrix from outside, or its negative.
ir::Graph with_if() {
  return graph_with(
      "graph @g(%c: bool[], %x: f32[*]) -> (y) {\n  %w = constant {1,2,3,4,5,6} : f32[2,3]\n"
      "  %y = opaque(\"If\") %c, %x, %w\n  return %y\n}",
      Subgraphs::Kind::branches, 1,
      {"graph @then(%v: f32[*], %m: f32[*]) -> (t) {\n  %p = mat_mul %v, %m\n  %t = relu %p\n  return %t\n}",
       "graph @else(%v: f32[*], %m: f32[*]) -> (e) {\n  %e = neg %v\n  return %e\n}"});
}

ir::Tensor flag(bool value) { return ir::Tensor::scalar<bool>(value); }

TEST(Bodies, IfRunsItsBranchesByKernels) {
  const ir::Graph graph = with_if();
  for (const bool condition : {true, false}) {
    check_graph(graph, {flag(condition), random_tensor({5, 2}, 3)});
    check_graph(graph, {flag(condition), random_tensor({4, 5, 2}, 4)});
  }
}

TEST(Bodies, AreCompiledOnceForAllSessionsAndForEveryRank) {
  const ir::Graph graph = with_if();
  const auto program = compile(graph, {}, Isa::scalar);
  ASSERT_TRUE(program.ok());
  ASSERT_NE(program->bodies, nullptr);
  const ir::Tensor matrix = random_tensor({5, 2}, 3), stack = random_tensor({2, 5, 2}, 3),
                   weight = ir::Tensor::of<float>({2, 3}, std::vector<float>{1, 2, 3, 4, 5, 6});
  const ir::Node* node = nullptr;
  for (const ir::Node& each : graph.nodes()) node = each.is(ir::OpKind::opaque) ? &each : node;
  ASSERT_NE(node, nullptr);
  const auto find = [&](const ir::Tensor& x, bool constant) {
    const std::vector<const ir::Tensor*> operands = {&x, &weight};
    return program->bodies->find(node->subgraphs->graphs[0], operands, {false, constant}, *program);
  };
  const Body* body = find(matrix, true);
  ASSERT_NE(body, nullptr);
  EXPECT_EQ(find(matrix, true), body);
  EXPECT_NE(find(stack, true), body);
  EXPECT_NE(find(matrix, false), body);
  const Step& product = body->program.steps.front();
  ASSERT_NE(product.kernel, nullptr);
  EXPECT_EQ(full_name(*product.kernel), "native.mat_mul_f32");
  EXPECT_NE(product.activation, nullptr);
}

TEST(Bodies, ThreadsAndRunsDoNotChangeAnything) {
  const ir::Graph graph = with_if();
  const auto executor = Executor::create(graph);
  ASSERT_TRUE(executor.ok());
  const std::vector<ir::Tensor> fed = {flag(true), random_tensor({50, 2}, 3)};
  const ir::Tensor expected = (*(*executor)->make_session()->run(fed))[0];
  ThreadPool pool(4);
  std::vector<int> same(32, 0);
  pool.parallel_for(32, [&](int64_t i, int) {
    const auto session = (*executor)->make_session();
    for (int run = 0; run < 3; ++run) {
      const auto outputs = session->run(fed);
      same[static_cast<size_t>(i)] += outputs.ok() && (*outputs)[0].identical_to(expected) ? 1 : 0;
    }
  });
  EXPECT_EQ(same, std::vector<int>(32, 3));
}

TEST(Bodies, LoopKeepsItsStatesFromStepToStep) {
  const ir::Graph graph = graph_with(
      "graph @g(%n: i64[], %x: f32[3,3]) -> (last, all) {\n  %go = constant {1} : bool[]\n"
      "  %last, %all = opaque(\"Loop\") %n, %go, %x, %x\n  return %last, %all\n}",
      Subgraphs::Kind::loop, 3,
      {"graph @body(%i: i64[], %c: bool[], %s: f32[*], %w: f32[*]) -> (c2, s2, slice) {\n  %p = mat_mul %s, %w\n"
       "  %t = tanh %p\n  %c2 = identity %c\n  %f = cast %i {to=1}\n  %z = add %t, %f\n  return %c2, %t, %z\n}"});
  const auto outputs = check_graph(graph, {ir::Tensor::scalar<int64_t>(4), random_tensor({3, 3}, 5)});
  ASSERT_EQ(outputs.size(), 2U);
  EXPECT_EQ(outputs[1].dims(), (ir::Dims{4, 3, 3}));
  check_graph(graph, {ir::Tensor::scalar<int64_t>(0), random_tensor({3, 3}, 5)});
}

// States that change places, and one that is passed on: constants from outside in each of them.
TEST(Bodies, LoopMayCarryConstants) {
  const ir::Graph graph = graph_with(
      "graph @g(%n: i64[], %x: f32[2,2]) -> (a, b, c, y) {\n  %go = constant {1} : bool[]\n"
      "  %one = constant {1,2,3,4} : f32[2,2]\n  %two = constant {5,6,7,8} : f32[2,2]\n"
      "  %a, %b, %c, %y = opaque(\"Loop\") %n, %go, %one, %two, %two, %x\n  return %a, %b, %c, %y\n}",
      Subgraphs::Kind::loop, 6,
      {"graph @body(%i: i64[], %go: bool[], %a: f32[*], %b: f32[*], %c: f32[*], %s: f32[*]) -> (g, b2, a2, c2, s2) {\n"
       "  %p = mat_mul %s, %a\n  %q = mat_mul %p, %c\n  %t = tanh %q\n  %g = identity %go\n  %a2 = identity %a\n"
       "  return %g, %b, %a2, %c, %t\n}"});
  for (const int64_t steps : {1, 2, 5}) {
    const auto outputs = check_graph(graph, {ir::Tensor::scalar<int64_t>(steps), random_tensor({2, 2}, 5)});
    ASSERT_EQ(outputs.size(), 4U);
    EXPECT_EQ(outputs[0].data<float>()[0], steps % 2 == 1 ? 5 : 1);
    EXPECT_EQ(outputs[2].data<float>()[0], 5);
  }
}

TEST(Bodies, WhatCannotBeCompiledIsSaidAsBefore) {
  const ir::Graph graph = with_if();
  const auto executor = Executor::create(graph);
  ASSERT_TRUE(executor.ok());
  const std::vector<ir::Tensor> fed = {flag(true), random_tensor({5, 4}, 3)};
  const auto fast = (*executor)->make_session()->run(fed);
  ASSERT_FALSE(fast.ok());
  EXPECT_NE(fast.error().message.find("mat_mul"), std::string::npos) << fast.error().message;
}

}  // namespace
}  // namespace edgesmith::runtime
