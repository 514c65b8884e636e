// SPDX-License-Identifier: Apache-2.0
#include "refine/weight_pictures.h"

#include <gtest/gtest.h>

#include <numeric>

#include "edgesmith/ir/text.h"
#include "edgesmith/ops/op_info.h"

namespace edgesmith::refine {
namespace {

ir::Graph network() {
  auto graph = ir::parse(R"(graph @g(%x: f32[N,4]) -> (y) {
  %w = constant {1, -1, 2, 0, 0.5, -0.5, 4, -4} : f32[4,2]
  %v = constant {1, 1, 1, 1} : f32[2,2]
  %h = gemm %x, %w : f32[N,2] @"first"
  %y = gemm %h, %v : f32[N,2] @"second"
  return %y
}
)");
  EXPECT_TRUE(graph.ok() && ops::infer_types(*graph).ok());
  return std::move(*graph);
}

void set_first(ir::Graph& graph, ir::Tensor tensor) {
  for (ir::Node& node : graph.nodes()) {
    if (node.name() == "first") return graph.set_tensor(node.input(1)->node(), std::move(tensor));
  }
}

TEST(WeightPictures, ShowPrunedLayersAlone) {
  const ir::Graph before = network();
  ir::Graph after = before.clone();
  EXPECT_TRUE(draw_weights(before, after).empty());
  set_first(after, ir::Tensor::of<float>({4, 2}, {0, 0, 2, 0, 0, 0, 4, -4}));
  const auto pictures = draw_weights(before, after);
  ASSERT_EQ(pictures.size(), 1u);
  EXPECT_EQ(pictures[0].node, "first");
  EXPECT_EQ(pictures[0].op, "Gemm");
  EXPECT_EQ(pictures[0].elements, 8);
  EXPECT_EQ(pictures[0].nonzero_before, 7);
  EXPECT_EQ(pictures[0].nonzero, 3);
  EXPECT_EQ(pictures[0].low, -4);
  EXPECT_EQ(pictures[0].high, 4);
  EXPECT_EQ(std::accumulate(pictures[0].histogram.begin(), pictures[0].histogram.end(), int64_t{0}), 7);
  EXPECT_EQ(pictures[0].histogram.front(), 1);
  EXPECT_EQ(pictures[0].histogram.back(), 1);
  EXPECT_TRUE(pictures[0].entries.empty());
  EXPECT_TRUE(draw_weights(after, before).empty()) << "denser is no news";
}

TEST(WeightPictures, ShowCodebooksWithTheirScales) {
  const ir::Graph before = network();
  ir::Graph after = before.clone();
  const ir::Tensor indices = ir::Tensor::of<uint8_t>({4, 2}, {0, 1, 2, 0, 1, 0, 2, 2});
  set_first(after, ir::Tensor::palette(indices, ir::Tensor::of<float>({2, 3}, {-1, 0.25F, 2, -4, 0.25F, 4}), 1));
  auto pictures = draw_weights(before, after);
  ASSERT_EQ(pictures.size(), 1u);
  EXPECT_EQ(pictures[0].codebooks, 2);
  EXPECT_EQ(pictures[0].codebook_size, 3);
  EXPECT_EQ(pictures[0].entries, (std::vector<double>{-4, -1, 0.25, 2, 4}));
  EXPECT_TRUE(draw_weights(after, after).empty()) << "it had them before";

  ir::Quant quant{.dtype = ir::DType::i8, .scale = {0.5F, 2}, .zero_point = {0, 0}, .axis = 1};
  const ir::Tensor codes = ir::Tensor::palette(indices, ir::Tensor::of<int8_t>({2, 3}, {-2, 0, 4, -2, 0, 2}), 1);
  set_first(after, ir::Tensor::affine(codes, quant));
  pictures = draw_weights(before, after);
  ASSERT_EQ(pictures.size(), 1u);
  EXPECT_EQ(pictures[0].entries, (std::vector<double>{-4, -1, 0, 2, 4}));
}

TEST(WeightPictures, LeaveCodesAlone) {
  const ir::Graph before = network();
  ir::Graph after = before.clone();
  const ir::Quant quant{.dtype = ir::DType::i8, .scale = {1}, .zero_point = {0}};
  set_first(after, ir::Tensor::affine(ir::Tensor::of<int8_t>({4, 2}, {1, -1, 2, 0, 0, 0, 4, -4}), quant));
  EXPECT_TRUE(draw_weights(before, after).empty());
}

}  // namespace
}  // namespace edgesmith::refine
