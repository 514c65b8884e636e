// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/passes/node_cost.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "edgesmith/ir/text.h"
#include "edgesmith/ops/op_info.h"
#include "support/mlperf_tiny.h"

namespace edgesmith::passes {
namespace {

ir::Graph parse(const std::string& text) {
  auto graph = ir::parse(text);
  EXPECT_TRUE(graph.ok()) << graph.error().text();
  EXPECT_TRUE(ops::infer_types(*graph).ok());
  return std::move(*graph);
}

/// 1 MHz, one core, one float and two integer multiply-adds a cycle, 1 MB/s, 2 W, nothing else known.
targets::Target slow() {
  targets::Target target;
  target.name = "slow";
  target.device.clock_hz = 1e6;
  target.device.f32.macs_per_cycle = 1;
  target.device.i8.macs_per_cycle = 2;
  target.device.watts = 2;
  target.integer_ops = {ir::OpKind::conv, ir::OpKind::gemm, ir::OpKind::add, ir::OpKind::global_average_pool};
  return target;
}

const std::string kConv = R"(graph @g(%x: f32[1,8,16,16]) -> (y) {
  %w = constant random(seed=1) : f32[16,8,3,3]
  %c = conv %x, %w {pads=[1,1,1,1]} : f32[1,16,16,16] @"stem"
  %y = relu %c
  return %y
}
)";
constexpr double kConvMacs = 16 * 8 * 9 * 256;

TEST(NodeCost, IsArithmeticOverThePeakAndItsShare) {
  const ir::Graph graph = parse(kConv);
  targets::Target target = slow();
  CostEstimate estimate = estimate_costs(graph, target);
  ASSERT_EQ(estimate.nodes.size(), 1u) << "the Relu is part of the Conv";
  EXPECT_EQ(estimate.nodes[0].node->label(), "conv 'stem'");
  EXPECT_EQ(estimate.nodes[0].work, targets::Work::conv);
  EXPECT_FALSE(estimate.nodes[0].integer);
  EXPECT_DOUBLE_EQ(*estimate.seconds, kConvMacs / 1e6);
  EXPECT_DOUBLE_EQ(*estimate.joules, 2 * kConvMacs / 1e6);
  EXPECT_TRUE(estimate.lower_bound) << "the share is not known";
  EXPECT_EQ(estimate.nodes[0].share, 1);
  target.device.f32.share[0] = 0.5;
  target.device.cores = 4;
  target.device.node_seconds = 1;
  estimate = estimate_costs(graph, target);
  EXPECT_FALSE(estimate.lower_bound);
  EXPECT_DOUBLE_EQ(*estimate.seconds, kConvMacs / 1e6 / 0.5 / 4 + 1);
}

TEST(NodeCost, WaitsForMemoryWhereThatTakesLonger) {
  const ir::Graph graph = parse(kConv);
  targets::Target target = slow();
  target.device.bandwidth = 1000;
  const double weights = 16 * 8 * 9 * 4, activations = (8 + 16) * 256 * 4;
  CostEstimate estimate = estimate_costs(graph, target);
  EXPECT_TRUE(estimate.nodes[0].memory_bound);
  EXPECT_EQ(estimate.nodes[0].bytes, static_cast<int64_t>(weights + activations));
  EXPECT_DOUBLE_EQ(*estimate.seconds, (weights + activations) / 1000);
  target.device.cache_bytes = {1024, static_cast<int64_t>(2 * activations)};
  EXPECT_EQ(estimate_costs(graph, target).nodes[0].bytes, static_cast<int64_t>(weights))
      << "activations stay in the cache";
  target.device.bandwidth = 1e9;
  estimate = estimate_costs(graph, target);
  EXPECT_FALSE(estimate.nodes[0].memory_bound);
  EXPECT_DOUBLE_EQ(*estimate.seconds, kConvMacs / 1e6);
}

TEST(NodeCost, OfCodesIsThatOfIntegersAndOfTheirElements) {
  const std::string text = R"(graph @g(%x: f32[1,4] q(i8, scale=1, zp=0)) -> (y) {
  %w = constant codes {1, 2, 3, 4, 5, 6, 7, 8} : f32[2,4] q(i8, scale=1, zp=0)
  %y = gemm %x, %w {transB=1} : f32[1,2] q(i8, scale=1, zp=0)
  return %y
}
)";
  const ir::Graph graph = parse(text);
  targets::Target target = slow();
  target.device.cycles_per_element = 10;
  const CostEstimate estimate = estimate_costs(graph, target);
  EXPECT_TRUE(estimate.nodes[0].integer);
  EXPECT_EQ(estimate.nodes[0].work, targets::Work::dense);
  EXPECT_DOUBLE_EQ(estimate.nodes[0].cycles, 8 / 2.0 + 2 * 10);
  EXPECT_EQ(estimate.nodes[0].bytes, 4 + 2 + graph.inputs()[0]->uses()[0].node->input(1)->constant()->stored_bytes());
  target.integer_ops.clear();
  EXPECT_FALSE(estimate_costs(graph, target).nodes[0].integer);
  EXPECT_DOUBLE_EQ(estimate_costs(graph, target).nodes[0].cycles, 8);
}

TEST(NodeCost, KnowsTheKindsOfWork) {
  const ir::Graph graph = parse(R"(graph @g(%x: f32[1,3,8,8], %m: f32[5,4]) -> (y, z) {
  %w1 = constant random(seed=1) : f32[8,3,3,3]
  %w2 = constant random(seed=2) : f32[8,1,3,3]
  %w3 = constant random(seed=3) : f32[8,8,1,1]
  %w4 = constant random(seed=4) : f32[2,4]
  %a = conv %x, %w1 : f32[1,8,6,6] @"first"
  %b = conv %a, %w2 {group=8} : f32[1,8,4,4] @"depthwise"
  %c = conv %b, %w3 : f32[1,8,4,4] @"conv"
  %y = softplus %c @"element"
  %z = gemm %m, %w4 {transB=1} : f32[5,2] @"rows"
  return %y, %z
}
)");
  std::vector<std::pair<std::string, std::optional<targets::Work>>> works;
  for (const NodeCost& cost : estimate_costs(graph, slow()).nodes) works.emplace_back(cost.node->name(), cost.work);
  std::sort(works.begin(), works.end());
  EXPECT_EQ(works,
            (std::vector<std::pair<std::string, std::optional<targets::Work>>>{{"conv", targets::Work::conv},
                                                                               {"depthwise", targets::Work::depthwise},
                                                                               {"element", std::nullopt},
                                                                               {"first", targets::Work::first},
                                                                               {"rows", targets::Work::conv}}));
}

TEST(NodeCost, RanksByTimeAndByCyclesWithoutAClock) {
  const ir::Graph graph = parse(R"(graph @g(%x: f32[1,4]) -> (y) {
  %w1 = constant random(seed=1) : f32[2,4]
  %w2 = constant random(seed=2) : f32[8,2]
  %a = gemm %x, %w1 {transB=1} : f32[1,2] @"small"
  %y = gemm %a, %w2 {transB=1} : f32[1,8] @"large"
  return %y
}
)");
  targets::Target target = slow();
  CostEstimate estimate = estimate_costs(graph, target);
  EXPECT_EQ(estimate.nodes[0].node->name(), "large");
  EXPECT_DOUBLE_EQ(estimate.nodes[0].share, 16 / 24.0);
  target.device.clock_hz.reset();
  estimate = estimate_costs(graph, target);
  EXPECT_FALSE(estimate.seconds || estimate.joules || estimate.nodes[0].seconds);
  EXPECT_DOUBLE_EQ(estimate.nodes[0].share, 16 / 24.0);
  target = slow();
  target.device.watts.reset();
  EXPECT_FALSE(estimate_costs(graph, target).joules.has_value());
}

TEST(NodeCost, NamesAnOperatorThatDoesTheLikeOnIntegers) {
  const ir::Graph graph = parse(
      "graph @g(%x: f32[1,4,2,2]) -> (y) {\n  %a = constant {2, 3} : i64[2]\n  %y = reduce_mean %x, %a\n  return "
      "%y\n}\n");
  targets::Target target = slow();
  EXPECT_EQ(estimate_costs(graph, target).nodes[0].cheaper, "GlobalAveragePool");
  target.integer_ops.push_back(ir::OpKind::reduce_mean);
  EXPECT_EQ(estimate_costs(graph, target).nodes[0].cheaper, "");
}

TEST(NodeCost, OfWhatConstantsDecideIsNone) {
  const ir::Graph graph = parse(R"(graph @g(%x: f32[1,4]) -> (y) {
  %s = constant {2, 2} : i64[2]
  %a = constant random(seed=1) : f32[4]
  %e = exp %a
  %b = add %x, %e
  %y = reshape %b, %s
  return %y
}
)");
  const CostEstimate estimate = estimate_costs(graph, slow());
  ASSERT_EQ(estimate.nodes.size(), 1u);
  EXPECT_TRUE(estimate.nodes[0].node->is(ir::OpKind::add));
}

TEST(NodeCost, GivesThePublishedLatenciesOfMlperfTiny) {
  const auto models = mlperf_tiny::models();
  for (const mlperf_tiny::Board& board : mlperf_tiny::kBoards) {
    const targets::Target* target = targets::find_target(board.target);
    ASSERT_NE(target, nullptr);
    for (size_t m = 0; m < models.size(); ++m) {
      const CostEstimate estimate = estimate_costs(models[m].graph, *target);
      int64_t sum = 0;
      for (const NodeCost& cost : estimate.nodes) {
        sum += cost.macs;
        EXPECT_TRUE(cost.integer) << cost.node->label();
      }
      EXPECT_EQ(sum, models[m].macs);
      EXPECT_NEAR(*estimate.seconds * board.rates[m], 1, 0.2) << board.target << ", " << models[m].name;
    }
  }
}

}  // namespace
}  // namespace edgesmith::passes
