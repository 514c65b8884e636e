// SPDX-License-Identifier: Apache-2.0
#include "passes/select/binary_choice.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "edgesmith/base/random.h"

namespace edgesmith::passes::select {
namespace {

/// Every choice in turn: the oracle. Of the cheapest ones, the first way most often.
std::vector<bool> by_brute_force(const BinaryChoice& problem) {
  std::vector<bool> best;
  int64_t least = 0;
  for (unsigned bits = 0; bits < 1u << problem.items.size(); ++bits) {
    std::vector<bool> first;
    for (size_t i = 0; i < problem.items.size(); ++i) first.push_back((bits >> i & 1) != 0);
    const int64_t cost = problem.cost_of(first);
    const bool wins =
        best.empty() || cost < least ||
        (cost == least && std::count(first.begin(), first.end(), true) > std::count(best.begin(), best.end(), true));
    if (!wins) continue;
    best = first;
    least = cost;
  }
  return best;
}

BinaryChoice random_problem(Random& random) {
  BinaryChoice problem;
  const auto items = static_cast<int>(random.below(9));
  for (int i = 0; i < items; ++i) {
    problem.items.push_back({static_cast<int64_t>(random.below(20)), static_cast<int64_t>(random.below(20))});
  }
  const auto any = [&] { return static_cast<int>(random.below(static_cast<uint64_t>(items) + 1)) - 1; };
  for (uint64_t d = random.below(12); d > 0; --d) {
    BinaryChoice::Difference difference{.pivot = any(), .pivot_first = random.below(2) == 0};
    for (uint64_t o = random.below(4); o > 0; --o) difference.others.push_back(any());
    difference.cost = static_cast<int64_t>(random.below(15));
    problem.differences.push_back(difference);
  }
  return problem;
}

TEST(BinaryChoice, IsTheCheapestOfAll) {
  Random random(7);
  int mixed = 0;
  for (int trial = 0; trial < 2000; ++trial) {
    const BinaryChoice problem = random_problem(random);
    const std::vector<bool> chosen = problem.solve(), best = by_brute_force(problem);
    ASSERT_EQ(problem.cost_of(chosen), problem.cost_of(best)) << "trial " << trial;
    ASSERT_EQ(chosen, best) << "not the one with the most first ways, trial " << trial;
    mixed += std::count(chosen.begin(), chosen.end(), true) % static_cast<int64_t>(chosen.size() + 1) != 0 ? 1 : 0;
  }
  EXPECT_GT(mixed, 500) << "the random problems are too easy";
}

TEST(BinaryChoice, PaysADifferenceOnceForManyReaders) {
  // One maker in the first way, three readers that each save 4 in the second: one conversion of 10 pays.
  BinaryChoice problem;
  problem.items = {{0, 100}, {4, 0}, {4, 0}, {4, 0}};
  problem.differences = {{.pivot = 0, .pivot_first = true, .others = {1, 2, 3}, .cost = 10}};
  EXPECT_EQ(problem.solve(), (std::vector<bool>{true, false, false, false}));
  problem.differences[0].cost = 13;
  EXPECT_EQ(problem.solve(), (std::vector<bool>{true, true, true, true}));
}

TEST(BinaryChoice, LongChainsAreFast) {
  BinaryChoice problem;
  for (int i = 0; i < 20000; ++i) {
    problem.items.push_back({i % 3 == 0 ? 5 : 1, 2});
    if (i > 0) problem.differences.push_back({.pivot = i - 1, .pivot_first = i % 2 == 0, .others = {i}, .cost = 1});
  }
  const std::vector<bool> first = problem.solve();
  EXPECT_LT(problem.cost_of(first), problem.cost_of(std::vector<bool>(20000, true)));
  EXPECT_LT(problem.cost_of(first), problem.cost_of(std::vector<bool>(20000, false)));
}

}  // namespace
}  // namespace edgesmith::passes::select
