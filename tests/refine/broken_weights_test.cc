// SPDX-License-Identifier: Apache-2.0
#include "refine/broken_weights.h"

#include <gtest/gtest.h>

#include <limits>

#include "edgesmith/ir/text.h"
#include "edgesmith/ops/op_info.h"

namespace edgesmith::refine {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

ir::Graph network() {
  auto graph = ir::parse(R"(graph @g(%x: f32[N,2]) -> (y) {
  %w = constant {1, -1, 2, 0} : f32[2,2]
  %b = constant {1, 2} : f32[2]
  %h = gemm %x, %w, %b : f32[N,2] @"first"
  %v = constant {1, 1, 1, 1} : f32[2,2]
  %y = gemm %h, %v : f32[N,2] @"second"
  return %y
}
)");
  EXPECT_TRUE(graph.ok() && ops::infer_types(*graph).ok());
  return std::move(*graph);
}

void set(ir::Graph& graph, const char* node_name, int operand, ir::Tensor tensor) {
  for (ir::Node& node : graph.nodes()) {
    if (node.name() == node_name) return graph.set_tensor(node.input(operand)->node(), std::move(tensor));
  }
}

TEST(BrokenWeights, AreNamedInEveryForm) {
  const ir::Graph before = network();
  ir::Graph after = before.clone();
  EXPECT_EQ(find_broken_weight(before, after), "");
  set(after, "second", 1, ir::Tensor::of<float>({2, 2}, {1, 2, 3, 4}));
  EXPECT_EQ(find_broken_weight(before, after), "");
  set(after, "second", 1, ir::Tensor::of<float>({2, 2}, {1, kNan, 3, 4}));
  const std::string sentence = find_broken_weight(before, after);
  EXPECT_NE(sentence.find("weight 'v' of "), std::string::npos) << sentence;
  EXPECT_NE(sentence.find("second"), std::string::npos) << sentence;

  after = before.clone();
  set(after, "first", 2, ir::Tensor::of<float>({2}, {1, -std::numeric_limits<float>::infinity()}));
  EXPECT_NE(find_broken_weight(before, after), "") << "a bias";

  after = before.clone();
  const ir::Tensor indices = ir::Tensor::of<uint8_t>({2, 2}, {0, 1, 1, 0});
  set(after, "first", 1, ir::Tensor::palette(indices, ir::Tensor::of<float>({1, 2}, {kNan, 2}), 1));
  EXPECT_NE(find_broken_weight(before, after), "") << "an entry of a codebook";
}

TEST(BrokenWeights, OfTheModelItselfAreNotThePassesFault) {
  ir::Graph before = network();
  set(before, "first", 1, ir::Tensor::of<float>({2, 2}, {kNan, 2, 3, 4}));
  ir::Graph after = before.clone();
  EXPECT_EQ(find_broken_weight(before, after), "");
  set(after, "first", 1, ir::Tensor::of<float>({2, 2}, {kNan, 0, 3, 4}));
  EXPECT_EQ(find_broken_weight(before, after), "");
}

}  // namespace
}  // namespace edgesmith::refine
