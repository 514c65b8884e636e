// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/passes/precision.h"

#include <gtest/gtest.h>

#include <map>

#include "edgesmith/ir/text.h"
#include "edgesmith/ops/op_info.h"

namespace edgesmith::passes {
namespace {

/// Three Convs in a row, the last with a skip, and an Add; `%s` is read by both a node on codes and a result.
const std::string kChain = R"(graph @g(%x: f32[1,2,4,4] q(u8, scale=0.01, zp=0)) -> (y) {
  %w = constant codes {10, -20, 30, 40} : f32[2,2,1,1] q(i8, scale=0.01, zp=0)
  %a = conv %x, %w : f32[1,2,4,4] @"first"
  %r = relu %a : f32[1,2,4,4] q(u8, scale=0.01, zp=0) @"clamp"
  %b = conv %r, %w : f32[1,2,4,4] q(u8, scale=0.01, zp=128) @"second"
  %y = add %r, %b : f32[1,2,4,4] q(u8, scale=0.02, zp=128) @"sum"
  return %y
})";

ir::Graph parse(const std::string& text) {
  auto graph = ir::parse(text);
  EXPECT_TRUE(graph.ok()) << graph.error().text();
  EXPECT_TRUE(ops::infer_types(*graph).ok());
  return std::move(*graph);
}

const targets::Target& target() { return *targets::find_target("ort-x86"); }

/// name -> {float, int8}
Costs costs_of(const std::map<std::string, std::pair<double, double>>& times) {
  Costs costs;
  for (const auto& [name, time] : times) {
    costs.nodes.push_back({name, "Conv", NodeTime{time.first, ""}, NodeTime{time.second, ""}});
  }
  costs.float32.us = costs.int8.us = 0;
  for (const auto& [name, time] : times) {
    costs.float32.us += time.first;
    costs.int8.us += time.second;
  }
  return costs;
}

PrecisionPlan choose(const ir::Graph& graph, const Costs& costs) {
  const auto prices = prices_by_costs(graph, target(), costs);
  EXPECT_TRUE(prices.ok()) << prices.error().text();
  return choose_precision(graph, target(), *prices);
}

std::string floats_of(const PrecisionPlan& plan) {
  std::string names;
  for (const PrecisionNode& node : plan.nodes) names += node.int8 ? "" : node.node + " ";
  return names;
}

TEST(Precision, ANodeThatIsFasterOnFloatsIsLeftFloat) {
  const ir::Graph graph = parse(kChain);
  const PrecisionPlan plan = choose(graph, costs_of({{"first", {10, 50}}, {"second", {100, 20}}, {"sum", {30, 5}}}));
  ASSERT_EQ(plan.nodes.size(), 3u);
  EXPECT_EQ(plan.nodes[0].fused, std::vector<std::string>{"clamp"});
  EXPECT_EQ(floats_of(plan), "first ");
  EXPECT_EQ(plan.kind, PrecisionKind::mixed);
  EXPECT_DOUBLE_EQ(plan.int8_us, 75);
  EXPECT_DOUBLE_EQ(plan.float_us, 140);
  EXPECT_DOUBLE_EQ(plan.predicted_us, 35);
  EXPECT_DOUBLE_EQ(plan.nodes[0].other_plan_us, 75);
}

TEST(Precision, ConversionsAreCountedOnceAValue) {
  const ir::Graph graph = parse(kChain);
  Costs costs = costs_of({{"first", {10, 50}}, {"second", {100, 20}}, {"sum", {30, 5}}});
  costs.quantize = {6, 1};  // of 32 elements: 38 for the input of the first, or for its result, which two nodes read
  costs.int8.us += 38;
  EXPECT_EQ(floats_of(choose(graph, costs)), "first ");
  EXPECT_DOUBLE_EQ(choose(graph, costs).predicted_us, 73);
  costs.dequantize = {100, 0};  // nothing that is made on codes is read on floats but the result of the model
  costs.int8.us += 100;
  EXPECT_EQ(floats_of(choose(graph, costs)), "first second sum ");
}

// edgesmith's runtime pads codes, so no conversions stand around a Pad there; ONNX Runtime's does not.
TEST(Precision, APadPassesCodesOnWhereTheTargetDoes) {
  const ir::Graph graph = parse(R"(graph @g(%x: f32[1,2,4,4] q(u8, scale=0.01, zp=0)) -> (y) {
  %w = constant codes {10, -20, 30, 40} : f32[2,2,1,1] q(i8, scale=0.01, zp=0)
  %p = constant {0,0,0,0,0,0,1,1} : i64[8]
  %a = conv %x, %w : f32[1,2,4,4] q(u8, scale=0.01, zp=0) @"first"
  %b = pad %a, %p : f32[1,2,5,5] q(u8, scale=0.01, zp=0) @"pad"
  %y = conv %b, %w : f32[1,2,5,5] q(u8, scale=0.02, zp=128) @"second"
  return %y
})");
  Costs costs = costs_of({{"first", {50, 10}}, {"pad", {2, 1}}, {"second", {50, 10}}});
  costs.quantize.us = costs.dequantize.us = 7;
  const auto int8_us = [&](const char* name) {
    const targets::Target& target = *targets::find_target(name);
    auto prices = prices_by_costs(graph, target, costs);
    EXPECT_TRUE(prices.ok()) << prices.error().text();
    prices->int8_model_us.reset();  // the sum of the parts is asked for
    prices->float_model_us.reset();
    const PrecisionPlan plan = choose_precision(graph, target, *prices);
    EXPECT_EQ(floats_of(plan), "");
    return plan.int8_us;
  };
  // Each has one conversion of the model's input and one of its result beside.
  EXPECT_DOUBLE_EQ(int8_us("host"), 10 + 1 + 10 + 2 * 7);
  EXPECT_DOUBLE_EQ(int8_us("ort-x86"), 10 + 10 + 2 * 7 + 2 * 7);
}

TEST(Precision, AMixtureWithoutAClearGainIsNotTaken) {
  const ir::Graph graph = parse(kChain);
  Costs costs = costs_of({{"first", {48, 50}}, {"second", {100, 20}}, {"sum", {30, 5}}});
  const PrecisionPlan plan = choose(graph, costs);
  EXPECT_EQ(plan.kind, PrecisionKind::all_int8);
  EXPECT_DOUBLE_EQ(plan.mixed_us, 73);
  EXPECT_NE(plan.why.find("no clear gain"), std::string::npos) << plan.why;
  // What the float file takes beyond its nodes counts by the share of nodes that are float: a third of 120.
  costs = costs_of({{"first", {10, 50}}, {"second", {100, 20}}, {"sum", {30, 5}}});
  costs.float32.us += 120;
  EXPECT_EQ(choose(graph, costs).kind, PrecisionKind::all_int8);
  EXPECT_DOUBLE_EQ(choose(graph, costs).mixed_us, 75);
}

TEST(Precision, AMixtureThatWasMeasuredIsJudgedByThat) {
  const ir::Graph graph = parse(kChain);
  Costs costs = costs_of({{"first", {10, 50}}, {"second", {100, 20}}, {"sum", {30, 5}}});
  costs.mixtures = {{{"m.onnx", "", 80}, {"first"}}};  // predicted 35
  PrecisionPlan plan = choose(graph, costs);
  EXPECT_EQ(plan.kind, PrecisionKind::all_int8);
  EXPECT_DOUBLE_EQ(plan.mixed_us, 80);
  EXPECT_NE(plan.why.find("measured as a whole"), std::string::npos) << plan.why;
  costs.mixtures[0].model.us = 60;
  plan = choose(graph, costs);
  EXPECT_EQ(floats_of(plan), "first ");
  EXPECT_DOUBLE_EQ(plan.predicted_us, 60);
  costs.mixtures = {{{"m.onnx", "", 70}, {"sum"}}};  // another one: the prediction of the best is better by far
  EXPECT_EQ(floats_of(choose(graph, costs)), "first ");
  costs.mixtures = {{{"m.onnx", "", 145}, {"sum"}}};  // predicted 100: 45 that no sum of nodes knows
  plan = choose(graph, costs);
  EXPECT_EQ(plan.kind, PrecisionKind::all_int8);
  EXPECT_DOUBLE_EQ(plan.mixed_us, 35 + 45);
  costs.mixtures = {{{"m.onnx", "", 1}, {"sum", "unknown"}}};  // of another model
  EXPECT_DOUBLE_EQ(choose(graph, costs).predicted_us, 35);
}

TEST(Precision, TheFasterFileIsTheLeastThatIsChosen) {
  const ir::Graph graph = parse(kChain);
  Costs costs = costs_of({{"first", {10, 50}}, {"second", {100, 20}}, {"sum", {30, 5}}});
  costs.quantize = costs.dequantize = {1000, 0};
  EXPECT_EQ(choose(graph, costs).kind, PrecisionKind::all_int8);
  costs.float32.us = 60;  // the nodes' times lie; whole files do not
  EXPECT_EQ(choose(graph, costs).kind, PrecisionKind::all_float);
  EXPECT_DOUBLE_EQ(choose(graph, costs).predicted_us, 60);
}

TEST(Precision, WhatAFloatKernelDoesTooIsPaidAgainBesideAnInt8One) {
  const ir::Graph graph = parse(kChain);
  // Add is free on floats inside the second Conv, but not beside an int8 one.
  Costs costs = costs_of({{"first", {50, 10}}, {"second", {100, 20}}, {"sum", {0, 15}}});
  costs.nodes.back().float32->inside = "second";
  EXPECT_EQ(floats_of(choose(graph, costs)), "");
  costs.nodes.back().float32->inside.clear();
  EXPECT_EQ(floats_of(choose(graph, costs)), "sum ");
}

/// The plan for errors by the nodes' names that may add up to `most`.
PrecisionPlan choose_within(const ir::Graph& graph, const Costs& costs, const std::map<std::string, double>& parts,
                            double most) {
  PrecisionErrors errors = {std::vector<double>(static_cast<size_t>(graph.num_node_ids()), 0), most};
  for (const ir::Node& node : graph.nodes()) {
    if (parts.contains(node.name())) errors.of_node[static_cast<size_t>(node.id())] = parts.at(node.name());
  }
  const auto prices = prices_by_costs(graph, target(), costs);
  EXPECT_TRUE(prices.ok()) << prices.error().text();
  return choose_precision(graph, target(), *prices, &errors);
}

TEST(Precision, NodesThatErrTooMuchTogetherAreLeftFloat) {
  const ir::Graph graph = parse(kChain);
  const std::map<std::string, double> parts = {{"first", 0.01}, {"second", 0.001}, {"sum", 0.002}};
  Costs costs = costs_of({{"first", {50, 10}}, {"second", {100, 20}}, {"sum", {30, 5}}});
  EXPECT_EQ(choose_within(graph, costs, parts, 0.02).kind, PrecisionKind::all_int8);
  const PrecisionPlan plan = choose_within(graph, costs, parts, 0.005);
  EXPECT_EQ(floats_of(plan), "first ");
  EXPECT_DOUBLE_EQ(plan.predicted_us, 75);
  EXPECT_DOUBLE_EQ(plan.nodes[0].error, 0.01);
  EXPECT_NE(plan.nodes[0].why.find("errs too much"), std::string::npos) << plan.nodes[0].why;
  // Both of the others are too much: the one that gains more for its error stays.
  EXPECT_EQ(floats_of(choose_within(graph, costs, parts, 0.0025)), "first sum ");
  EXPECT_EQ(choose_within(graph, costs, parts, 0.0005).kind, PrecisionKind::all_float);
  // A mixture that was measured as the fastest is not taken when it errs too much.
  costs.mixtures = {{{"m.onnx", "", 1}, {"second"}}};
  EXPECT_EQ(floats_of(choose_within(graph, costs, parts, 0.02)), "second ");
  EXPECT_EQ(floats_of(choose_within(graph, costs, parts, 0.005)), "first ");
}

TEST(Precision, ANodeWithoutTimesIsNamed) {
  const ir::Graph graph = parse(kChain);
  Costs costs = costs_of({{"first", {10, 50}}, {"sum", {30, 5}}});
  auto prices = prices_by_costs(graph, target(), costs);
  ASSERT_FALSE(prices.ok());
  EXPECT_NE(prices.error().message.find("conv 'second': the costs have no time of it in float32"), std::string::npos)
      << prices.error().message;
  costs.nodes.push_back({"second", "Conv", NodeTime{1, ""}, {}});
  prices = prices_by_costs(graph, target(), costs);
  ASSERT_FALSE(prices.ok());
  EXPECT_EQ(prices.error().kind, ErrorKind::invalid);
  EXPECT_NE(prices.error().message.find("in int8"), std::string::npos) << prices.error().message;
}

PrecisionPlan floats(const ir::Graph& graph, const std::vector<std::string>& names) {
  PrecisionPlan plan;
  for (const ir::Node& node : graph.nodes()) {
    for (const std::string& name : names) {
      if (node.name() == name) plan.nodes.push_back({.id = node.id(), .int8 = false});
    }
  }
  return plan;
}

const ir::Node& named(const ir::Graph& graph, const std::string& name) {
  for (const ir::Node& node : graph.nodes()) {
    if (node.name() == name) return node;
  }
  ADD_FAILURE() << "no node " << name;
  return graph.output_node();
}

TEST(SetFloat, ReadersOnFloatsSeeValuesThatWereNotRounded) {
  ir::Graph graph = parse(kChain);
  ASSERT_TRUE(set_float(graph, target(), floats(graph, {"first", "second"}), nullptr).ok());
  const ir::Node& second = named(graph, "second");
  EXPECT_FALSE(named(graph, "first").input(0)->quant()) << "the input is read on floats alone";
  EXPECT_FALSE(second.input(0)->quant());
  EXPECT_EQ(second.input(0)->node().name(), "clamp");
  const ir::Node& copy = named(graph, "sum").input(0)->node();
  EXPECT_TRUE(copy.is(ir::OpKind::identity));
  EXPECT_TRUE(copy.output().quant());
  EXPECT_TRUE(second.output().quant()) << "read on codes alone";
}

TEST(SetFloat, WeightsComeFromTheOriginalWhereTheyAreTheSame) {
  const ir::Graph original = parse(R"(graph @g(%x: f32[1,2,4,4]) -> (y) {
    %v = constant {0.101, -0.2, 0.304, 0.398} : f32[2,2,1,1]
    %u = constant {0.101, 0.5, 0.304, 0.398} : f32[2,2,1,1]
    %a = conv %x, %v @"first"
    %r = relu %a @"clamp"
    %b = conv %r, %u @"second"
    %y = add %r, %b @"sum"
    return %y
  })");
  ir::Graph graph = parse(kChain);
  const auto done = set_float(graph, target(), floats(graph, {"first", "second"}), &original);
  ASSERT_TRUE(done.ok()) << done.error().text();
  EXPECT_EQ(done->original, 1);
  EXPECT_EQ(done->dequantized, 1);
  EXPECT_FLOAT_EQ(named(graph, "first").input(1)->constant()->to_floats()[2], 0.304f);
  EXPECT_FLOAT_EQ(named(graph, "second").input(1)->constant()->to_floats()[2], 0.3f);
  EXPECT_EQ(named(graph, "second").input(1)->constant()->encoding(), ir::Encoding::dense);
}

TEST(Prices, WithoutCostsTheProfileSpeaks) {
  const ir::Graph graph = parse(kChain);
  const auto prices = prices_by_model(graph, target());
  ASSERT_TRUE(prices.ok()) << prices.error().text();
  const auto id = static_cast<size_t>(named(graph, "second").id());
  EXPECT_GT(prices->float_us[id], 0);
  EXPECT_GT(prices->int8_us[id], 0);
  EXPECT_GT(prices->quantize.us, 0);
  targets::Target without = target();
  without.device.clock_hz.reset();
  EXPECT_EQ(prices_by_model(graph, without).error().kind, ErrorKind::unsupported);
}

}  // namespace
}  // namespace edgesmith::passes
