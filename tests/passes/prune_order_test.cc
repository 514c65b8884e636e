// SPDX-License-Identifier: Apache-2.0
// Channels in another order: the same answers, and patterns that cost less.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "edgesmith/ir/text.h"
#include "edgesmith/ops/op_info.h"
#include "graph_compare.h"
#include "passes/channels/remove_channels.h"
#include "passes/prune/order.h"
#include "pictures.h"

namespace edgesmith::passes::prune {
namespace {

// A shortcut with more channels behind it, a depthwise layer, a join, and channels of several numbers each.
ir::Graph network() {
  auto graph = ir::parse(R"(graph @net(%x: f32[N,4,4,4]) -> (y) {
  %w1 = constant random(seed=1) : f32[8,4,3,3]
  %b1 = constant random(seed=2) : f32[8]
  %w2 = constant random(seed=3) : f32[16,8,3,3]
  %b2 = constant random(seed=4) : f32[16]
  %w3 = constant random(seed=5) : f32[16,16,3,3]
  %w4 = constant random(seed=6) : f32[16,1,3,3]
  %w5 = constant random(seed=7) : f32[8,16,1,1]
  %w6 = constant random(seed=8) : f32[5,384]
  %shift = constant random(seed=9) : f32[16,1,1]
  %pads = constant {0, 4, 0, 0, 0, 4, 0, 0} : i64[8]
  %c1 = conv %x, %w1, %b1 {pads=[1,1,1,1]} : f32[N,8,4,4] @"stem"
  %r1 = relu %c1 : f32[N,8,4,4]
  %c2 = conv %r1, %w2, %b2 {pads=[1,1,1,1]} : f32[N,16,4,4] @"a"
  %r2 = relu %c2 : f32[N,16,4,4]
  %c3 = conv %r2, %w3 {pads=[1,1,1,1]} : f32[N,16,4,4] @"b"
  %wide = pad %r1, %pads : f32[N,16,4,4]
  %sum = add %c3, %wide : f32[N,16,4,4]
  %moved = add %sum, %shift : f32[N,16,4,4]
  %c4 = conv %moved, %w4 {group=16, pads=[1,1,1,1]} : f32[N,16,4,4] @"depthwise"
  %c5 = conv %c4, %w5 : f32[N,8,4,4] @"point"
  %both = concat %c5, %moved {axis=1} : f32[N,24,4,4]
  %f = flatten %both : f32[N,384]
  %y = gemm %f, %w6 {transB=1} : f32[N,5] @"classifier"
  return %y
}
)");
  EXPECT_TRUE(graph.ok()) << graph.error().message;
  EXPECT_TRUE(ops::infer_types(*graph).ok());
  return std::move(*graph);
}

const Pattern kPattern{.keep = 2, .of = 4};

std::vector<Layer> layers_of(ir::Graph& graph) {
  std::vector<Layer> layers;
  for (ir::Node& node : graph.nodes()) {
    if (node.name() == "depthwise" || !(node.is(ir::OpKind::conv) || node.is(ir::OpKind::gemm))) continue;
    layers.emplace_back(reconstruct::read_layer(node));
  }
  return layers;
}

std::vector<double> squares(const Layer& layer) {
  std::vector<double> scores;
  for (const double weight : layer.weights) scores.push_back(weight * weight);
  return scores;
}

// What the pattern takes from all layers.
double cost_of(ir::Graph& graph) {
  double cost = 0;
  for (Layer& layer : layers_of(graph)) {
    const std::vector<double> scores = squares(layer);
    EXPECT_TRUE(mask_pattern(layer, scores, kPattern));
    for (size_t i = 0; i < scores.size(); ++i) cost += layer.kept[i] ? 0 : scores[i];
  }
  return cost;
}

TEST(PruneOrder, CostsLessAndAnswersTheSame) {
  const ir::Graph original = network();
  ir::Graph graph = network();
  const double before = cost_of(graph);
  const std::vector<Layer> layers = layers_of(graph);
  std::vector<PatternLayer> readers;
  for (const Layer& layer : layers) readers.push_back({&layer, squares(layer)});
  const auto ordered = order_channels(graph, kPattern, readers);
  ASSERT_TRUE(ordered.ok()) << ordered.error().text();
  EXPECT_TRUE(*ordered);
  EXPECT_LT(cost_of(graph), 0.97 * before);
  const Pictures pictures({1, 4, 4, 4}, 16);
  ir::Graph silent = network();
  for (ir::Node& node : silent.nodes()) {
    if (node.is(ir::OpKind::gemm)) {
      silent.set_tensor(node.input(1)->node(), ir::Tensor::zeros(ir::DType::f32, {5, 384}));
    }
  }
  EXPECT_LT(output_error(original, graph, pictures), 1e-10 * output_error(original, silent, pictures));
}

TEST(PruneOrder, NothingIsLeftToGainTheSecondTime) {
  ir::Graph graph = network();
  for (const bool changes : {true, false}) {
    const std::vector<Layer> layers = layers_of(graph);
    std::vector<PatternLayer> readers;
    for (const Layer& layer : layers) readers.push_back({&layer, squares(layer)});
    const auto ordered = order_channels(graph, kPattern, readers);
    ASSERT_TRUE(ordered.ok());
    EXPECT_EQ(*ordered, changes);
  }
}

TEST(PruneOrder, ChannelsThatBelongTogetherMustGoTogether) {
  const ir::Graph original = network();
  ir::Graph graph = network();
  const ChannelMap map(graph);
  std::vector<std::vector<int64_t>> order;
  for (const ChannelSpace& space : map.spaces()) {
    order.emplace_back(static_cast<size_t>(space.size));
    std::iota(order.back().begin(), order.back().end(), int64_t{0});
    if (space.value->node().name() == "stem") std::swap(order.back()[1], order.back()[6]);
  }
  const auto reordered = reorder_channels(graph, map, order);
  ASSERT_TRUE(reordered.ok());
  EXPECT_FALSE(*reordered);
  expect_identical(original, graph);
}

}  // namespace
}  // namespace edgesmith::passes::prune
