// SPDX-License-Identifier: Apache-2.0
// inline-branches and inline-functions, on nodes made by hand (the text form does not show what is inside of a node).
#include <gtest/gtest.h>

#include "edgesmith/ir/subgraphs.h"
#include "edgesmith/ir/text.h"
#include "edgesmith/passes/pass.h"

namespace edgesmith::passes {
namespace {

using ir::Subgraphs;

ir::Graph parsed(const std::string& text) {
  auto graph = ir::parse(text);
  EXPECT_TRUE(graph.ok()) << graph.error().text();
  return *std::move(graph);
}

ir::Node& opaque_node(ir::Graph& graph) {
  for (ir::Node& node : graph.nodes()) {
    if (node.is(ir::OpKind::opaque)) return node;
  }
  ADD_FAILURE() << "no opaque node";
  return graph.output_node();
}

std::shared_ptr<Subgraphs> holding(Subgraphs::Kind kind, int num_inputs, const std::vector<std::string>& bodies) {
  auto subgraphs = std::make_shared<Subgraphs>();
  subgraphs->kind = kind;
  subgraphs->num_inputs = num_inputs;
  for (const std::string& body : bodies) subgraphs->graphs.push_back(parsed(body));
  return subgraphs;
}

Change run(const std::string& pass, ir::Graph& graph, const std::string& flag = {}) {
  const PassInfo& info = *find_pass(pass);
  Options options(info.options());
  if (!flag.empty()) {
    EXPECT_TRUE(options.set(flag, OptionValue(true)).ok());
  }
  PassContext context;
  auto change = run_pass(info, graph, options, context);
  EXPECT_TRUE(change.ok()) << change.error().text();
  return change.ok() ? *change : Change::none;
}

const std::vector<std::string> kBranches = {"graph @then(%v: f32[*]) -> (t) {\n  %t = relu %v\n  return %t\n}\n",
                                            "graph @else(%v: f32[*]) -> (e) {\n  %e = neg %v\n  return %e\n}\n"};

ir::Graph with_if(const std::string& condition) {
  ir::Graph graph = parsed("graph @g(%x: f32[N,2], %c: bool[]) -> (y) {\n  %k = constant {" + condition +
                           "} : bool[]\n  %y = opaque(\"If\") %k, %x\n  return %y\n}\n");
  opaque_node(graph).subgraphs = holding(Subgraphs::Kind::branches, 1, kBranches);
  return graph;
}

TEST(InlineBranches, TheBranchTakenReplacesTheNode) {
  ir::Graph graph = with_if("0");
  EXPECT_EQ(run("inline-branches", graph), Change::changed);
  EXPECT_EQ(run("eliminate-dead-nodes", graph), Change::changed);
  EXPECT_EQ(ir::print(graph),
            "graph @g(%x: f32[N,2], %c: bool[]) -> (y) {\n  %y = neg %x : f32[N,2]\n  return %y\n}\n");
  EXPECT_EQ(run("inline-branches", graph), Change::none);
}

TEST(InlineBranches, AConditionThatIsNotConstantKeepsBoth) {
  ir::Graph graph = with_if("1");
  ir::Node& node = opaque_node(graph);
  graph.set_input(node, 0, graph.inputs()[1]);
  EXPECT_EQ(run("inline-branches", graph), Change::none);
  EXPECT_NE(opaque_node(graph).subgraphs, nullptr);
}

ir::Graph with_call() {
  ir::Graph graph =
      parsed("graph @g(%x: f32[N,2]) -> (y) {\n  %h = opaque(\"acme::Gate\") %x\n  %y = neg %h\n  return %y\n}\n");
  auto call = holding(Subgraphs::Kind::function, 1,
                      {"graph @gate(%a: f32[*]) -> (b) {\n  %s = opaque(\"acme::Squash\") %a\n  %b = mul %a, %s\n"
                       "  return %b\n}\n"});
  auto inner = holding(Subgraphs::Kind::function, 1,
                       {"graph @squash(%a: f32[*]) -> (b) {\n  %b = sigmoid %a\n  return %b\n}\n"});
  inner->local = true;
  opaque_node(call->graphs.front()).subgraphs = inner;
  call->local = true;
  opaque_node(graph).subgraphs = call;
  return graph;
}

TEST(InlineFunctions, CallsInsideOfCallsAreInlinedToo) {
  ir::Graph graph = with_call();
  EXPECT_EQ(run("inline-functions", graph), Change::changed);
  EXPECT_EQ(ir::print(graph),
            "graph @g(%x: f32[N,2]) -> (y) {\n  %s = sigmoid %x : f32[N,2]\n  %h = mul %x, %s : f32[N,2]\n"
            "  %y = neg %h : f32[N,2]\n  return %y\n}\n");
}

TEST(InlineFunctions, SimplifyDoesItOnlyWhenAsked) {
  ir::Graph graph = with_call();
  EXPECT_EQ(run("simplify", graph), Change::none);
  EXPECT_EQ(run("simplify", graph, "inline_functions"), Change::changed);
}

TEST(InlineFunctions, AFunctionThatDependsOnItsPlaceStays) {
  ir::Graph graph = with_call();
  auto call = std::make_shared<Subgraphs>();
  call->local = true;
  call->movable = false;
  call->num_inputs = 1;
  call->graphs.push_back(opaque_node(graph).subgraphs->graphs.front().clone());
  opaque_node(graph).subgraphs = call;
  EXPECT_EQ(run("inline-functions", graph), Change::none);
}

}  // namespace
}  // namespace edgesmith::passes
