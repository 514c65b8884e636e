// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/passes/node_cost.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "edgesmith/ir/text.h"
#include "edgesmith/ops/op_info.h"

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

/// The MLPerf Tiny models as their descriptions say, with codes of zeros: only shapes cost.
class TinyModel {
 public:
  explicit TinyModel(ir::Dims input) {
    value_ = &graph_.add_input("x", ir::type_of(ir::DType::f32, input));
    value_->set_quant(kQuant);
  }

  ir::Value& conv(int64_t channels, ir::Dims kernel, ir::Ints strides, ir::Ints pads, bool depthwise = false) {
    const int64_t in = (*value_->type().static_dims())[1];
    ir::Node& node =
        graph_.append(ir::OpKind::conv, {value_, &weight({channels, depthwise ? 1 : in, kernel[0], kernel[1]})});
    node.attributes().set("strides", std::move(strides));
    node.attributes().set("pads", std::move(pads));
    if (depthwise) node.attributes().set("group", in);
    return finish(node);
  }
  ir::Value& dense(int64_t features) {
    const int64_t in = value_->type().static_dims()->back();
    ir::Node& node = graph_.append(ir::OpKind::gemm, {value_, &weight({features, in})});
    node.attributes().set("transB", int64_t{1});
    return finish(node);
  }
  ir::Value& add(ir::Value& other) { return finish(graph_.append(ir::OpKind::add, {value_, &other})); }
  void pool_and_flatten() {
    finish(graph_.append(ir::OpKind::global_average_pool, {value_}));
    finish(graph_.append(ir::OpKind::flatten, {value_}));
  }
  void go_back_to(ir::Value& value) { value_ = &value; }
  ir::Value& value() { return *value_; }
  ir::Graph take() {
    graph_.add_output("y", *value_);
    EXPECT_TRUE(ops::infer_types(graph_).ok());
    return std::move(graph_);
  }

 private:
  static inline const ir::Quant kQuant{.dtype = ir::DType::i8, .scale = {1}, .zero_point = {0}};

  ir::Value& weight(ir::Dims dims) {
    return graph_.add_constant(ir::Tensor::affine(ir::Tensor::zeros(ir::DType::i8, std::move(dims)), kQuant));
  }
  ir::Value& finish(ir::Node& node) {
    EXPECT_TRUE(ops::infer_types(graph_).ok());
    node.output().set_quant(kQuant);
    return *(value_ = &node.output());
  }

  ir::Graph graph_;
  ir::Value* value_ = nullptr;
};

ir::Graph image_classification() {  // ResNet-8 for CIFAR-10
  TinyModel m({1, 3, 32, 32});
  m.conv(16, {3, 3}, {1, 1}, {1, 1, 1, 1});
  for (const int64_t channels : {16, 32, 64}) {
    ir::Value& input = m.value();
    const int64_t stride = channels == 16 ? 1 : 2;
    const ir::Ints pads = stride == 1 ? ir::Ints{1, 1, 1, 1} : ir::Ints{0, 0, 1, 1};
    m.conv(channels, {3, 3}, {stride, stride}, pads);
    ir::Value& main = m.conv(channels, {3, 3}, {1, 1}, {1, 1, 1, 1});
    m.go_back_to(input);
    if (stride == 2) m.conv(channels, {1, 1}, {2, 2}, {0, 0, 0, 0});
    m.add(main);
  }
  m.pool_and_flatten();
  m.dense(10);
  return m.take();
}

ir::Graph visual_wake_words() {  // MobileNetV1 0.25, 96 x 96
  TinyModel m({1, 3, 96, 96});
  m.conv(8, {3, 3}, {2, 2}, {0, 0, 1, 1});
  const std::pair<int64_t, int64_t> blocks[] = {{16, 1},  {32, 2},  {32, 1},  {64, 2},  {64, 1},  {128, 2}, {128, 1},
                                                {128, 1}, {128, 1}, {128, 1}, {128, 1}, {256, 2}, {256, 1}};
  for (const auto& [channels, stride] : blocks) {
    const ir::Ints pads = stride == 1 ? ir::Ints{1, 1, 1, 1} : ir::Ints{0, 0, 1, 1};
    m.conv((*m.value().type().static_dims())[1], {3, 3}, {stride, stride}, pads, true);
    m.conv(channels, {1, 1}, {1, 1}, {0, 0, 0, 0});
  }
  m.pool_and_flatten();
  m.dense(2);
  return m.take();
}

ir::Graph keyword_spotting() {  // DS-CNN, 49 x 10
  TinyModel m({1, 1, 49, 10});
  m.conv(64, {10, 4}, {2, 2}, {4, 1, 5, 1});
  for (int i = 0; i < 4; ++i) {
    m.conv(64, {3, 3}, {1, 1}, {1, 1, 1, 1}, true);
    m.conv(64, {1, 1}, {1, 1}, {0, 0, 0, 0});
  }
  m.pool_and_flatten();
  m.dense(12);
  return m.take();
}

ir::Graph anomaly_detection() {  // fully connected auto-encoder
  TinyModel m({1, 640});
  for (const int64_t features : {128, 128, 128, 128, 8, 128, 128, 128, 128, 640}) m.dense(features);
  return m.take();
}

TEST(NodeCost, GivesThePublishedLatenciesOfMlperfTiny) {
  const ir::Graph models[] = {image_classification(), visual_wake_words(), keyword_spotting(), anomaly_detection()};
  const int64_t macs[] = {12501632, 7489664, 2656768, 264192};
  // Inferences a second in the results v1.1 to v1.3, best of the board, in the order of the models.
  const std::pair<const char*, std::vector<double>> boards[] = {{"cmsis-nn-l4r5", {6.06, 11.25, 23.16, 246.8}},
                                                                {"cmsis-nn-u575", {9.59, 16.87, 34.49, 323.5}},
                                                                {"cmsis-nn-h7a3", {24.48, 42.01, 88.36, 923}},
                                                                {"cmsis-nn-ra8d1", {117.9, 74.7, 288.6, 1884}}};
  for (const auto& [name, rates] : boards) {
    const targets::Target* target = targets::find_target(name);
    ASSERT_NE(target, nullptr);
    for (size_t m = 0; m < 4; ++m) {
      const CostEstimate estimate = estimate_costs(models[m], *target);
      int64_t sum = 0;
      for (const NodeCost& cost : estimate.nodes) {
        sum += cost.macs;
        EXPECT_TRUE(cost.integer) << cost.node->label();
      }
      EXPECT_EQ(sum, macs[m]);
      EXPECT_NEAR(*estimate.seconds * rates[m], 1, 0.2) << name << ", model " << m;
    }
  }
}

}  // namespace
}  // namespace edgesmith::passes
