// SPDX-License-Identifier: Apache-2.0
#include "passes/layer_record.h"

#include <gtest/gtest.h>

#include <vector>

#include "edgesmith/ir/text.h"

namespace edgesmith::passes {
namespace {

TEST(LayerRecord, CallsOperatorsAsOnnxDoes) {
  auto graph = ir::parse(R"(graph @net(%x: f32[N,3,4,4]) -> (y) {
  %w = constant random(seed=1) : f32[2,3,1,1]
  %c = conv %x, %w : f32[N,2,4,4] @"first"
  %y = relu %c : f32[N,2,4,4]
  return %y
}
)");
  ASSERT_TRUE(graph.ok()) << graph.error().text();
  std::vector<LayerRecord> records;
  for (const ir::Node& node : graph->nodes()) {
    if (node.num_outputs() > 0 && !node.is(ir::OpKind::constant)) records.push_back(layer_record(node, "pruned"));
  }
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(records[0].op, "input");
  EXPECT_EQ(records[0].node, "x");
  EXPECT_EQ(records[1].op, "Conv");
  EXPECT_EQ(records[1].node, "first");
  EXPECT_EQ(records[1].value, "c");
  EXPECT_EQ(records[1].status, "pruned");
  EXPECT_EQ(records[2].op, "Relu");
  EXPECT_EQ(records[2].node, "relu producing 'y'");
}

}  // namespace
}  // namespace edgesmith::passes
