// SPDX-License-Identifier: Apache-2.0
#include "data/subset.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

namespace edgesmith::data {
namespace {

TEST(Subset, IsEverythingInOrderWithoutALimit) {
  EXPECT_EQ(choose_samples(3, {}, 0, 0), (std::vector<int64_t>{0, 1, 2}));
  EXPECT_EQ(choose_samples(3, {2, 1, 0}, 5, 0), (std::vector<int64_t>{0, 1, 2}));
}

TEST(Subset, SpreadsOverTheWholeSet) {
  for (const int64_t limit : {1, 2, 7, 64, 99}) {
    const auto chosen = choose_samples(100, {}, limit, 5);
    ASSERT_EQ(static_cast<int64_t>(chosen.size()), limit);
    for (int64_t i = 0; i < limit; ++i) {
      EXPECT_GE(chosen[static_cast<size_t>(i)], i * 100 / limit);
      EXPECT_LT(chosen[static_cast<size_t>(i)], (i + 1) * 100 / limit);
    }
  }
}

TEST(Subset, BalancesClassesWithinOneAndTakesTurns) {
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < 1000; ++i) labels.push_back(i / 100);  // folder order: a prefix holds one class
  for (const int64_t limit : {10, 25, 256}) {
    const auto chosen = choose_samples(1000, labels, limit, 0);
    ASSERT_EQ(static_cast<int64_t>(chosen.size()), limit);
    EXPECT_EQ(std::set<int64_t>(chosen.begin(), chosen.end()).size(), chosen.size());
    std::map<int64_t, int64_t> counts;
    for (const int64_t index : chosen) ++counts[labels[static_cast<size_t>(index)]];
    ASSERT_EQ(counts.size(), 10u);
    for (const auto& [label, count] : counts) {
      EXPECT_GE(count, limit / 10);
      EXPECT_LE(count, limit / 10 + 1);
    }
    std::set<int64_t> first_ten;
    for (size_t i = 0; i < 10; ++i) first_ten.insert(labels[static_cast<size_t>(chosen[i])]);
    EXPECT_EQ(first_ten.size(), 10u);
  }
}

TEST(Subset, TakesMoreOfOthersWhenAClassIsUsedUp) {
  const std::vector<int64_t> labels = {7, 7, 7, 7, 7, 7, 7, 7, 3};
  const auto chosen = choose_samples(9, labels, 6, 0);
  EXPECT_EQ(std::count(chosen.begin(), chosen.end(), 8), 1);
  EXPECT_EQ(chosen.size(), 6u);
}

TEST(Subset, DependsOnTheSeedAlone) {
  std::vector<int64_t> labels(500);
  for (size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<int64_t>(i % 7);
  EXPECT_EQ(choose_samples(500, labels, 50, 1), choose_samples(500, labels, 50, 1));
  EXPECT_NE(choose_samples(500, labels, 50, 1), choose_samples(500, labels, 50, 2));
}

}  // namespace
}  // namespace edgesmith::data
