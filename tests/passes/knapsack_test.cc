// SPDX-License-Identifier: Apache-2.0
// Sharing a budget between layers, against brute force and dynamic programming.
#include "passes/reconstruct/knapsack.h"

#include <gtest/gtest.h>

#include <cmath>

#include "edgesmith/base/random.h"
#include "passes/reconstruct/bit_plan.h"

namespace edgesmith::passes::reconstruct {
namespace {

using Items = std::vector<std::vector<Choice>>;

Choice total(const Items& items, const std::vector<size_t>& chosen) {
  Choice sum;
  for (size_t i = 0; i < items.size(); ++i) {
    sum.cost += items[i][chosen[i]].cost;
    sum.loss += items[i][chosen[i]].loss;
  }
  return sum;
}

// The least loss within the budget over all choices; infinite when none fits.
double least_loss(const Items& items, double budget) {
  double least = INFINITY;
  std::vector<size_t> chosen(items.size(), 0);
  for (;;) {
    const Choice sum = total(items, chosen);
    if (sum.cost <= budget) least = std::min(least, sum.loss);
    size_t i = 0;
    while (i < items.size() && ++chosen[i] == items[i].size()) chosen[i++] = 0;
    if (i == items.size()) return least;
  }
}

TEST(Knapsack, FindsWhatBruteForceFinds) {
  Random random(1);
  int out_of_reach = 0;
  for (int run = 0; run < 300; ++run) {
    Items items;
    double most = 0;
    for (int i = 0; i < 6; ++i) {
      items.emplace_back();
      const uint64_t count = 1 + random.below(5);
      double dearest = 0;
      for (uint64_t c = 0; c < count; ++c) {
        // Costs and losses that are often equal, and choices that others beat in both.
        items.back().push_back({static_cast<double>(random.below(9)),
                                run % 2 == 0 ? static_cast<double>(random.below(6)) : std::fabs(random.normal())});
        dearest = std::max(dearest, items.back().back().cost);
      }
      most += dearest;
    }
    for (const double share : {0.1, 0.3, 0.5, 0.8, 1.0}) {
      const double budget = std::floor(share * most);
      const auto chosen = choose_within(items, budget);
      const double least = least_loss(items, budget);
      ASSERT_EQ(chosen.has_value(), std::isfinite(least));
      out_of_reach += chosen ? 0 : 1;
      if (!chosen) continue;
      EXPECT_LE(total(items, *chosen).cost, budget);
      EXPECT_NEAR(total(items, *chosen).loss, least, 1e-12) << run << " " << share;
    }
  }
  EXPECT_GT(out_of_reach, 0);
}

TEST(Knapsack, FindsWhatDynamicProgrammingFindsForManyLayers) {
  Random random(2);
  Items items;
  std::vector<int> sizes;
  for (int l = 0; l < 50; ++l) {
    sizes.push_back(1 + static_cast<int>(random.below(40)));
    const double harm = std::exp(2 * random.normal());
    items.emplace_back();
    for (int bits = 2; bits <= 8; ++bits) {
      items.back().push_back({static_cast<double>(sizes.back() * bits),
                              harm * std::pow(4, -bits) * (1 + 0.2 * std::fabs(random.normal()))});
    }
  }
  int all = 0;
  for (const int size : sizes) all += size;
  const size_t budget = static_cast<size_t>(all) * 37 / 10;
  std::vector<double> least(budget + 1, 0.0);  // by what the layers so far may cost
  for (const auto& choices : items) {
    std::vector<double> next(budget + 1, INFINITY);
    for (size_t b = 0; b <= budget; ++b) {
      for (const Choice& choice : choices) {
        const auto cost = static_cast<size_t>(choice.cost);
        if (cost <= b) next[b] = std::min(next[b], least[b - cost] + choice.loss);
      }
    }
    least = next;
  }
  const auto chosen = choose_within(items, static_cast<double>(budget));
  ASSERT_TRUE(chosen.has_value());
  EXPECT_LE(total(items, *chosen).cost, static_cast<double>(budget));
  EXPECT_NEAR(total(items, *chosen).loss / least[budget], 1, 1e-12);
}

TEST(Knapsack, LosesNoMoreWithALargerBudget) {
  Random random(3);
  Items items(8);
  for (auto& choices : items) {
    const double size = 10 + static_cast<double>(random.below(90));
    for (int bits = 1; bits <= 8; ++bits) choices.push_back({size * bits, std::fabs(random.normal()) / bits});
  }
  double before = INFINITY;
  for (double budget = 0; budget < 6000; budget += 50) {
    const auto chosen = choose_within(items, budget);
    if (!chosen) continue;
    EXPECT_LE(total(items, *chosen).loss, before);
    before = total(items, *chosen).loss;
  }
  EXPECT_TRUE(std::isfinite(before));
  EXPECT_TRUE(choose_within({}, 0)->empty());
}

// Two layers: 100 weights that matter, and 300 that hardly do.
const Items kLayers = {{{200, 0.16}, {300, 0.04}, {400, 0.01}, {500, 0.0025}},
                       {{600, 0.008}, {900, 0.002}, {1200, 0.0005}, {1500, 0.0001}}};

TEST(BitPlan, BeatsEqualWidthsInTheirBytes) {
  const auto plan = plan_bits(kLayers, 2, 3, {});
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->bits, (std::vector<int>{5, 2}));
  EXPECT_EQ(plan->total, 1100);
  EXPECT_NEAR(plan->error, 0.0105, 1e-12);
  EXPECT_NEAR(plan->uniform_error, 0.042, 1e-12);
  EXPECT_EQ(describe_widths(plan->bits, "int"), "1 layer int2, 1 layer int5");
  EXPECT_EQ(describe_plan(*plan, {}, "int3"),
            "bits are shared out for an expected output error of 19.8 dB; int3 everywhere: 13.8 dB");
}

TEST(BitPlan, KnowsTheEqualWidthOfItsBytes) {
  EXPECT_EQ(plan_bits(kLayers, 2, 3, {})->equal_width, 3);
  EXPECT_FALSE(plan_bits(kLayers, 2, 3, {.sqnr_db = 10})->equal_width);
  for (const auto& [bytes, width] : {std::pair<int64_t, int>{100, 2}, {149, 2}, {150, 3}, {249, 4}, {250, 5}}) {
    auto plan = plan_bits(kLayers, 2, 3, {.bytes = bytes});
    ASSERT_TRUE(plan.ok());
    EXPECT_EQ(plan->equal_width, width) << bytes;
    EXPECT_LE(plan->error, plan->equal_error);
    use_equal_width(*plan);
    EXPECT_EQ(plan->bits, (std::vector<int>{width, width}));
    EXPECT_EQ(plan->total, 400 * width);
    const auto i = static_cast<size_t>(width - 2);
    EXPECT_NEAR(plan->error, kLayers[0][i].loss + kLayers[1][i].loss, 1e-12);
  }
  // A second width that saves nothing is no wider one.
  const Items flat = {{{100, 0.2}, {200, 0.1}, {200, 0.05}}};
  EXPECT_EQ(plan_bits(flat, 2, 4, {})->equal_width, 3);
}

TEST(BitPlan, KeepsEitherBudget) {
  for (const int64_t bytes : {100, 120, 150, 200, 250}) {
    const auto plan = plan_bits(kLayers, 2, 4, {.bytes = bytes});
    ASSERT_TRUE(plan.ok());
    EXPECT_LE(plan->total, 8.0 * static_cast<double>(bytes));
  }
  for (const double sqnr : {10.0, 18.0, 25.0}) {
    const auto plan = plan_bits(kLayers, 2, 4, {.sqnr_db = sqnr});
    ASSERT_TRUE(plan.ok());
    EXPECT_GE(-10 * std::log10(plan->error), sqnr);
    // One bit less anywhere would be too few.
    for (size_t l = 0; l < 2; ++l) {
      auto fewer = plan->bits;
      if (--fewer[l] < 2) continue;
      const double error =
          kLayers[0][static_cast<size_t>(fewer[0] - 2)].loss + kLayers[1][static_cast<size_t>(fewer[1] - 2)].loss;
      EXPECT_LT(-10 * std::log10(error), sqnr);
    }
  }
  EXPECT_EQ(plan_bits(kLayers, 2, 4, {.bytes = 99}).error().text(),
            "a size of 99 bytes is out of reach: the fewest bits take 100; give a larger one");
  EXPECT_EQ(plan_bits(kLayers, 2, 4, {.sqnr_db = 40}).error().text(),
            "an sqnr of 40.0 dB is out of reach: the most bits are expected to give 25.9 dB; ask for less");
}

}  // namespace
}  // namespace edgesmith::passes::reconstruct
