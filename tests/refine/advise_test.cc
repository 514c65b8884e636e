// SPDX-License-Identifier: Apache-2.0
#include "refine/advise.h"

#include <gtest/gtest.h>

#include "edgesmith/ir/text.h"

namespace edgesmith::refine {
namespace {

constexpr const char* kGraph = R"(graph @g(%x: f32[N,4]) -> (y: f32[N,4]) {
  %a = sigmoid %x : f32[N,4]
  %hidden = relu %a : f32[N,4]
  %b = tanh %hidden : f32[N,4]
  %c = add %a, %b : f32[N,4]
  return %c
}
)";

passes::LayerRecord record(const std::string& value, double sqnr) {
  passes::LayerRecord layer;
  layer.node = "node_" + value;
  layer.value = value;
  layer.reason = "calibrator minmax";
  layer.numbers["sqnr_db"] = sqnr;
  return layer;
}

TEST(AddLosses, BlamesTheLayerThatLosesNotTheOneThatInherits) {
  const auto graph = ir::parse(kGraph);
  ASSERT_TRUE(graph.ok());
  std::vector<passes::LayerRecord> layers = {record("x", 45), record("a", 40), record("b", 20), record("c", 19.5)};
  add_losses(*graph, layers);
  EXPECT_EQ(layers[0].numbers.count("lost_db"), 0u) << "an input reads nothing";
  EXPECT_EQ(layers[1].numbers.at("lost_db"), 5);
  EXPECT_EQ(layers[1].advice, "") << "40 dB is not weak";
  EXPECT_EQ(layers[2].numbers.at("lost_db"), 20) << "seen through the value without a record";
  EXPECT_EQ(layers[2].advice, "--skip 'node_b' keeps it float");
  EXPECT_EQ(layers[2].reason, "calibrator minmax; loses 20.0 dB against what it reads");
  EXPECT_EQ(layers[3].numbers.at("lost_db"), 0.5) << "against the weaker of the two";
  EXPECT_EQ(layers[3].advice, "");
}

TEST(AddLosses, NamesNoLossAgainstCodesThatAreExact) {
  const auto graph = ir::parse(kGraph);
  std::vector<passes::LayerRecord> layers = {record("x", 200), record("a", 20)};
  add_losses(*graph, layers);
  EXPECT_EQ(layers[1].numbers.count("lost_db"), 0u);
  EXPECT_EQ(layers[1].reason, "calibrator minmax; what it reads is exact");
  EXPECT_EQ(layers[1].advice, "--skip 'node_a' keeps it float");
}

TEST(AddLosses, KeepsTheAdviceOfThePass) {
  const auto graph = ir::parse(kGraph);
  std::vector<passes::LayerRecord> layers = {record("x", 45), record("a", 10), record("elsewhere", 1)};
  layers[1].advice = "mine";
  add_losses(*graph, layers);
  EXPECT_EQ(layers[1].advice, "mine");
  EXPECT_EQ(layers[1].reason, "calibrator minmax");
  EXPECT_EQ(layers[2].advice, "") << "a value that the graph has not";
}

}  // namespace
}  // namespace edgesmith::refine
