// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/ir/graph.h"

#include <gtest/gtest.h>

#include "edgesmith/base/random.h"
#include "edgesmith/ir/text.h"
#include "edgesmith/ir/verifier.h"

namespace edgesmith::ir {
namespace {

Graph chain() {
  auto graph = parse(R"(graph @g(%x: f32[2]) -> (y: f32[2]) {
    %a = relu %x : f32[2]
    %b = add %a, %a : f32[2]
    %y = relu %b : f32[2]
    return %y
  })");
  EXPECT_TRUE(graph.ok()) << graph.error().message;
  return std::move(*graph);
}

Node& find(Graph& graph, std::string_view value_name) {
  for (Node& node : graph.nodes()) {
    if (node.num_outputs() > 0 && node.output().name() == value_name) return node;
  }
  ADD_FAILURE() << "no value " << value_name;
  return graph.output_node();
}

TEST(Graph, ReplaceAllUsesCoversEveryOperandAndTheResults) {
  Graph g = chain();
  Value& a = find(g, "a").output();
  Value& x = find(g, "x").output();
  g.replace_all_uses(a, x);
  EXPECT_TRUE(a.unused());
  EXPECT_EQ(x.uses().size(), 3u);  // relu, and add twice
  g.replace_all_uses(find(g, "y").output(), x);
  EXPECT_TRUE(x.is_graph_output());
  EXPECT_EQ(g.output_names()[0], "y");
  EXPECT_TRUE(verify(g).ok());
}

TEST(Graph, EraseWhileWalkingVisitsEveryOtherNodeOnce) {
  Graph g = chain();
  std::vector<std::string> seen;
  for (Node& node : g.nodes()) {
    seen.push_back(std::string(op_name(node.op())));
    if (node.is(OpKind::relu)) {
      g.replace_all_uses(node.output(), *node.input(0));
      g.erase(node);
    }
  }
  EXPECT_EQ(seen, (std::vector<std::string>{"input", "relu", "add", "relu", "output"}));
  EXPECT_EQ(g.num_nodes(), 3);
  EXPECT_TRUE(verify(g).ok());
}

TEST(Graph, CloneIsEqualAndIndependent) {
  Graph g = chain();
  Graph copy = g.clone();
  EXPECT_EQ(print(copy), print(g));
  copy.erase([&]() -> Node& {
    Node& y = find(copy, "y");
    copy.replace_all_uses(y.output(), *y.input(0));
    return y;
  }());
  EXPECT_NE(print(copy), print(g));
  EXPECT_TRUE(verify(copy).ok());
  EXPECT_TRUE(verify(g).ok());
}

TEST(Graph, MovedGraphsNodesKnowTheirNewOwner) {
  Graph g = chain();
  Graph h = std::move(g);
  for (Node& node : h.nodes()) EXPECT_EQ(&node.graph(), &h);
}

TEST(Graph, SortPutsProducersFirstAndKeepsAnOrderThatHolds) {
  Graph g = chain();
  const std::string before = print(g);
  EXPECT_TRUE(g.sort_topologically());
  EXPECT_EQ(print(g), before);
  g.move_before(find(g, "y"), find(g, "a"));
  EXPECT_FALSE(verify(g).ok());
  EXPECT_TRUE(g.sort_topologically());
  EXPECT_EQ(print(g), before);
}

TEST(Graph, SortReportsACycle) {
  Graph g = chain();
  g.set_input(find(g, "a"), 0, &find(g, "b").output());
  EXPECT_FALSE(g.sort_topologically());
}

TEST(Graph, RandomEditsKeepUseListsTrue) {
  Random random(7);
  Graph g;
  std::vector<Value*> values = {&g.add_input("x", {DType::f32, Shape{Dim(2)}})};
  g.add_output("y", *values[0]);
  for (int step = 0; step < 2000; ++step) {
    Value* a = values[random.below(values.size())];
    Value* b = values[random.below(values.size())];
    switch (random.below(4)) {
      case 0:
      case 1: values.push_back(&g.append(OpKind::add, {a, b}).output()); break;
      case 2:
        if (a->id() < b->id() && !a->is_graph_input()) g.replace_all_uses(*b, *a);
        break;
      case 3:
        if (a->unused() && !a->is_graph_input()) {
          g.erase(a->node());
          std::erase(values, a);
        }
        break;
    }
  }
  const Status status = verify(g);
  EXPECT_TRUE(status.ok()) << status.error().message;
}

}  // namespace
}  // namespace edgesmith::ir
