// SPDX-License-Identifier: Apache-2.0
// Reducing models by predicates that are known: what must be left, and nothing else.
#include "edgesmith/refine/reduce.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "edgesmith/ir/text.h"
#include "edgesmith/onnx/export.h"
#include "edgesmith/onnx/import.h"
#include "edgesmith/ops/op_info.h"

namespace edgesmith::refine {
namespace {

using ir::OpKind;

/// x goes through 40 nodes, of which some have second readers; two results.
ir::Graph long_graph() {
  ir::Graph graph;
  ir::Value* value = &graph.add_input("x", ir::type_of(ir::DType::f32, {4, 64}));
  ir::Value& weight = graph.add_constant(ir::Tensor::of<float>({64, 64}, std::vector<float>(64 * 64, 0.125f)), "w");
  ir::Value* early = nullptr;
  for (int i = 0; i < 40; ++i) {
    const OpKind op = i == 17 ? OpKind::softplus : i == 23 ? OpKind::mat_mul : i % 2 == 0 ? OpKind::relu : OpKind::tanh;
    ir::Node& node = op == OpKind::mat_mul ? graph.append(op, {value, &weight}) : graph.append(op, {value});
    node.set_name("node" + std::to_string(i));
    value = &node.output();
    value->set_name("t" + std::to_string(i));
    if (i == 5) early = value;
  }
  value = &graph.append(OpKind::add, {value, early}).output();
  graph.add_output("y", *value);
  graph.add_output("z", *early);
  EXPECT_TRUE(ops::infer_types(graph).ok());
  return graph;
}

bool has(const ir::Graph& graph, OpKind op) {
  for (const ir::Node& node : graph.nodes()) {
    if (node.is(op)) return true;
  }
  return false;
}

std::vector<OpKind> operators(const ir::Graph& graph) {
  std::vector<OpKind> ops;
  for (const ir::Node& node : graph.nodes()) {
    if (!node.is(OpKind::input) && !node.is(OpKind::constant) && !node.is(OpKind::output)) ops.push_back(node.op());
  }
  return ops;
}

/// What is tried must always be a model that loads.
Breaks when(const std::function<bool(const ir::Graph&)>& predicate) {
  return [predicate](const ir::Graph& graph, const std::string& bytes) -> Result<bool> {
    const auto again = onnx::import_bytes(std::as_bytes(std::span<const char>(bytes)), nullptr, ".", "candidate");
    EXPECT_TRUE(again.ok()) << again.error().text();
    return predicate(graph);
  };
}

TEST(Reduce, LeavesTheOneNodeThatBreaks) {
  ir::Graph graph = long_graph();
  const auto report = reduce(graph, when([](const ir::Graph& g) { return has(g, OpKind::softplus); }), {});
  ASSERT_TRUE(report.ok()) << report.error().text();
  EXPECT_EQ(operators(graph), std::vector<OpKind>{OpKind::softplus});
  EXPECT_EQ(graph.num_outputs(), 1);
  EXPECT_EQ(graph.inputs().size(), 1u);
  EXPECT_EQ(graph.inputs()[0]->type(), ir::type_of(ir::DType::f32, {1, 1})) << "dims shrink, too";
  EXPECT_EQ(report->nodes_before, 41);
  EXPECT_EQ(report->nodes_after, 1);
  EXPECT_TRUE(report->complete);
  EXPECT_LT(report->tests, 100);
}

TEST(Reduce, LeavesBothOfTwoNodesFarApart) {
  ir::Graph graph = long_graph();
  const auto both = [](const ir::Graph& g) { return has(g, OpKind::softplus) && has(g, OpKind::add); };
  ASSERT_TRUE(reduce(graph, when(both), {}).ok());
  const std::vector<OpKind> left = operators(graph);
  EXPECT_EQ(left.size(), 2u);
  EXPECT_TRUE(both(graph));
}

/// Whether some softplus reaches some mat_mul.
bool feeds(const ir::Graph& graph) {
  std::set<const ir::Node*> reached;
  for (const ir::Node& node : graph.nodes()) {
    bool below = node.is(OpKind::softplus);
    for (int i = 0; i < node.num_inputs(); ++i) {
      below = below || (node.input(i) != nullptr && reached.count(&node.input(i)->node()) != 0);
    }
    if (!below) continue;
    if (node.is(OpKind::mat_mul)) return true;
    reached.insert(&node);
  }
  return false;
}

TEST(Reduce, BypassesWhatLiesBetween) {
  ir::Graph graph = long_graph();
  ASSERT_TRUE(reduce(graph, when(feeds), {}).ok());
  EXPECT_EQ(operators(graph), (std::vector<OpKind>{OpKind::softplus, OpKind::mat_mul}));
}

TEST(Reduce, KeepsDimsThatMatter) {
  ir::Graph graph = long_graph();
  const auto wide = [](const ir::Graph& g) {
    for (const ir::Node& node : g.nodes()) {
      if (node.is(OpKind::mat_mul) && (*node.input(1)->type().static_dims())[0] > 20) return true;
    }
    return false;
  };
  ASSERT_TRUE(reduce(graph, when(wide), {}).ok());
  for (const ir::Node& node : graph.nodes()) {
    if (node.is(OpKind::constant)) {
      EXPECT_EQ(node.tensor().dims(), (ir::Dims{32, 32}));
    }
    if (node.is(OpKind::constant)) {
      EXPECT_EQ(node.tensor().to_floats()[5], 1.0f) << "plain numbers";
    }
  }
}

TEST(Reduce, DropsOptionalOperands) {
  ir::Graph graph;
  ir::Value& x = graph.add_input("x", ir::type_of(ir::DType::f32, {1, 2, 4, 4}));
  ir::Value& w = graph.add_constant(ir::Tensor::of<float>({3, 2, 1, 1}, std::vector<float>{1, 2, 3, 4, 5, 6}), "w");
  ir::Value& b = graph.add_constant(ir::Tensor::of<float>({3}, std::vector<float>{1, 2, 3}), "b");
  graph.add_output("y", graph.append(OpKind::conv, {&x, &w, &b}).output());
  ASSERT_TRUE(ops::infer_types(graph).ok());
  ASSERT_TRUE(reduce(graph, when([](const ir::Graph& g) { return has(g, OpKind::conv); }), {}).ok());
  for (const ir::Node& node : graph.nodes()) {
    if (node.is(OpKind::conv)) {
      EXPECT_EQ(node.num_inputs(), 2);
    }
  }
}

TEST(Reduce, RandomWeightsSayNothingOfTheOriginal) {
  const auto trained = [](const ir::Graph& g) {
    for (const ir::Node& node : g.nodes()) {
      if (node.is(OpKind::constant) && node.tensor().to_floats()[0] == 0.125f) return true;
    }
    return false;
  };
  ReduceOptions options;
  options.random_weights = true;
  ir::Graph graph = long_graph(), again = long_graph(), other = long_graph(), own = long_graph();
  const Breaks has_product = when([](const ir::Graph& g) { return has(g, OpKind::mat_mul); });
  const auto report = reduce(graph, has_product, options);
  ASSERT_TRUE(report.ok());
  EXPECT_FALSE(trained(graph));
  EXPECT_TRUE(report->kept_weights.empty());
  ASSERT_TRUE(reduce(again, has_product, options).ok());
  EXPECT_EQ(*onnx::export_bytes(graph), *onnx::export_bytes(again)) << "the same seed gives the same bytes";
  options.seed = 1;
  ASSERT_TRUE(reduce(other, has_product, options).ok());
  EXPECT_NE(*onnx::export_bytes(graph), *onnx::export_bytes(other));
  // Where the numbers are what breaks, they stay and are named.
  const auto kept = reduce(own, when(trained), options);
  ASSERT_TRUE(kept.ok());
  EXPECT_EQ(kept->kept_weights, std::vector<std::string>{"w"});
}

TEST(Reduce, StopsAtTheTimeLimit) {
  ir::Graph graph = long_graph();
  ReduceOptions options;
  options.time_limit = 1e-9;
  int asked = 0;
  const auto report = reduce(
      graph, [&](const ir::Graph&, const std::string&) -> Result<bool> { return ++asked > 0; }, options);
  ASSERT_FALSE(report.ok()) << "not even the model itself was tried";
  EXPECT_EQ(report.error().kind, ErrorKind::io);
  EXPECT_EQ(asked, 0);
  options.time_limit = 0.05;
  const auto slow = [&](const ir::Graph& g, const std::string&) -> Result<bool> {
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(20);
    while (std::chrono::steady_clock::now() < until) {
    }
    return g.num_nodes() > 40;
  };
  const auto some = reduce(graph, slow, options);
  ASSERT_TRUE(some.ok());
  EXPECT_FALSE(some->complete);
}

TEST(Reduce, SaysWhenTheFailureIsInTheFileAlone) {
  ir::Graph graph = long_graph();
  const auto report = reduce(graph, [](const ir::Graph&, const std::string&) -> Result<bool> { return false; }, {});
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().kind, ErrorKind::unsupported);
  EXPECT_EQ(operators(graph).size(), 41u) << "untouched";
}

}  // namespace
}  // namespace edgesmith::refine
