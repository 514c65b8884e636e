// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/base/text.h"

#include <gtest/gtest.h>

namespace edgesmith {
namespace {

TEST(Text, GlobsMatchWholeNames) {
  EXPECT_TRUE(glob_match("*", ""));
  EXPECT_TRUE(glob_match("layer*.conv?", "layer1.0.conv2"));
  EXPECT_TRUE(glob_match("*a*b*", "xxaxxbxx"));
  EXPECT_FALSE(glob_match("conv", "conv1"));
  EXPECT_FALSE(glob_match("?", ""));
  EXPECT_FALSE(glob_match("a*c", "abcd"));
}

TEST(Text, NearestSuggestsOnlyNearWords) {
  const std::vector<std::string> words = {"simplify", "quantize", "prune"};
  EXPECT_EQ(nearest("quantise", words), "quantize");
  EXPECT_EQ(nearest("simplfy", words), "simplify");
  EXPECT_EQ(nearest("banana", words), "");
}

TEST(Text, ShortestFloatsReadBack) {
  EXPECT_EQ(shortest(0.1f), "0.1");
  EXPECT_EQ(shortest(-3.0f), "-3");
  EXPECT_EQ(shortest(0.1), "0.1");
}

}  // namespace
}  // namespace edgesmith
