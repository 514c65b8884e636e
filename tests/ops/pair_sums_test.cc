// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/ops/pair_sums.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "edgesmith/ir/text.h"

namespace edgesmith::ops {
namespace {

using Pairs = std::vector<std::pair<int64_t, int64_t>>;

TEST(PairSums, OverflowExactlyWhereSomeCodesDo) {
  for (int32_t a = -128; a <= 127; ++a) {
    for (int32_t b = -128; b <= 127; ++b) {
      // A sum of products is least and largest at the ends of the codes.
      bool overflows = false;
      for (const int32_t x : {0, 255}) {
        for (const int32_t y : {0, 255}) overflows = overflows || a * x + b * y > 32767 || a * x + b * y < -32768;
      }
      ASSERT_EQ(pair_overflows(a, b), overflows) << a << ", " << b;
    }
  }
}

TEST(PairSums, AreNeighboursWithChannelsInnermost) {
  EXPECT_EQ(summed_pairs(5, 1), (Pairs{{0, 1}, {2, 3}}));
  EXPECT_EQ(summing_order(2, 3), (std::vector<int64_t>{0, 3, 1, 4, 2, 5}));
  EXPECT_EQ(summed_pairs(2, 3), (Pairs{{0, 3}, {1, 4}, {2, 5}}));
  EXPECT_TRUE(summed_pairs(0, 9).empty());
  EXPECT_TRUE(summed_pairs(1, 1).empty());
}

// Row [channel][tap] of 3 channels and 2 taps: products 0 2 4 | 1 3 5. One kernel adds 0+2, 4+1, 3+5, one that pads
// each tap adds 0+2 and 1+3.
TEST(PairSums, OfOddChannelsAreThoseOfBothLayouts) {
  EXPECT_EQ(summed_pairs(3, 2), (Pairs{{0, 2}, {4, 1}, {3, 5}, {1, 3}}));
  std::vector<int> partners(27, 0);
  for (const auto& [a, b] : summed_pairs(3, 9)) {
    ++partners[static_cast<size_t>(a)];
    ++partners[static_cast<size_t>(b)];
  }
  EXPECT_LE(*std::max_element(partners.begin(), partners.end()), 2);
}

TEST(PairSums, AreNotOfDepthwiseConvolutions) {
  const auto graph = ir::parse(R"(graph @g(%x: f32[1,4,8,8]) -> (y, z) {
  %w = constant random(seed=1) : f32[4,1,3,3]
  %v = constant random(seed=2) : f32[8,1,3,3]
  %y = conv %x, %w {group=4} : f32[1,4,6,6]
  %z = conv %x, %v {group=4} : f32[1,8,6,6]
  return %y, %z
}
)");
  ASSERT_TRUE(graph.ok()) << graph.error().text();
  std::vector<bool> added;
  for (const ir::Node& node : graph->nodes()) {
    if (node.is(ir::OpKind::conv)) added.push_back(adds_pairs(node));
  }
  EXPECT_EQ(added, (std::vector<bool>{false, true})) << "two outputs a channel are a matrix product over taps";
}

}  // namespace
}  // namespace edgesmith::ops
