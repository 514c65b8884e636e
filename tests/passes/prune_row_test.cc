// SPDX-License-Identifier: Apache-2.0
// Optimal brain surgeon on rows of weights against brute force.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "edgesmith/base/random.h"
#include "passes/prune/masks.h"
#include "passes/prune/obs.h"
#include "passes/prune/scores.h"
#include "passes/reconstruct/moments.h"

namespace edgesmith::passes::prune {
namespace {

using reconstruct::damp, reconstruct::inverse;

struct Row {
  size_t n;
  std::vector<double> weights, moments;
};

// Correlated inputs: moments of random rows.
Row random_row(size_t n, uint64_t seed) {
  Random random(seed);
  Row row{n, std::vector<double>(n), std::vector<double>(n * n, 0.0)};
  for (double& w : row.weights) w = random.normal();
  for (size_t sample = 0; sample < 3 * n; ++sample) {
    std::vector<double> x(n);
    const double common = random.normal();
    for (double& v : x) v = random.normal() + common;
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = 0; j < n; ++j) row.moments[i * n + j] += x[i] * x[j] / static_cast<double>(3 * n);
    }
  }
  return row;
}

double error_of(const Row& row, const std::vector<double>& weights) {
  double error = 0;
  for (size_t i = 0; i < row.n; ++i) {
    for (size_t j = 0; j < row.n; ++j) {
      error += (row.weights[i] - weights[i]) * row.moments[i * row.n + j] * (row.weights[j] - weights[j]);
    }
  }
  return error;
}

double refitted_error(const Row& row, const std::vector<bool>& kept) {
  std::vector<double> weights = row.weights;
  refit(weights, kept, 0, row.moments);
  return error_of(row, weights);
}

TEST(PruneRow, RefitIsTheLeastErrorOfTheMask) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const Row row = random_row(7, seed);
    Random random(seed + 100);
    std::vector<bool> kept(row.n);
    for (size_t i = 0; i < row.n; ++i) kept[i] = random.below(2) == 0;
    std::vector<double> weights = row.weights;
    refit(weights, kept, 0, row.moments);
    const double error = error_of(row, weights);
    for (size_t i = 0; i < row.n; ++i) {
      if (!kept[i]) {
        EXPECT_EQ(weights[i], 0);
      }
      for (const double step : {-1e-3, 1e-3}) {
        std::vector<double> other = weights;
        other[i] += kept[i] ? step : 0;
        EXPECT_GE(error_of(row, other), error - 1e-12);
      }
    }
  }
}

TEST(PruneRow, EveryStepOfATraceIsTheCheapestRemoval) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const Row row = random_row(8, seed);
    const RemovalTrace trace = trace_removals(row.weights, inverse(row.moments, row.n), 8);
    ASSERT_EQ(trace.order.size(), row.n);
    std::vector<bool> kept(row.n, true);
    double error = 0;
    for (size_t step = 0; step < row.n; ++step) {
      double least = INFINITY;
      size_t best = 0;
      for (size_t i = 0; i < row.n; ++i) {
        if (!kept[i]) continue;
        std::vector<bool> without = kept;
        without[i] = false;
        const double added = refitted_error(row, without) - error;
        if (added < least) {
          least = added;
          best = i;
        }
      }
      EXPECT_EQ(trace.order[step], static_cast<int>(best)) << "step " << step;
      EXPECT_NEAR(trace.added[step], least, 1e-8 * (1 + least));
      kept[best] = false;
      error = refitted_error(row, kept);
    }
  }
}

TEST(PruneRow, TracesWithGroupsTakeTheCheapestThatMayGo) {
  const std::vector<int> groups = {0, 1, 0, 1, 0, 1, 0, 1};
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const Row row = random_row(8, seed);
    const RemovalTrace trace = trace_removals(row.weights, inverse(row.moments, row.n), 8, groups, 2);
    ASSERT_EQ(trace.order.size(), 4u);
    std::vector<bool> kept(row.n, true);
    std::vector<int> gone(2, 0);
    for (const int removed : trace.order) {
      double least = INFINITY;
      int best = -1;
      for (size_t i = 0; i < row.n; ++i) {
        if (!kept[i] || gone[static_cast<size_t>(groups[i])] == 2) continue;
        std::vector<bool> without = kept;
        without[i] = false;
        const double error = refitted_error(row, without);
        if (error < least) {
          least = error;
          best = static_cast<int>(i);
        }
      }
      EXPECT_EQ(removed, best);
      kept[static_cast<size_t>(best)] = false;
      ++gone[static_cast<size_t>(groups[static_cast<size_t>(best)])];
    }
  }
}

TEST(PruneRow, AnInverseTimesItsMatrixIsOne) {
  const Row row = random_row(13, 1);
  const std::vector<double> inverted = inverse(row.moments, row.n);
  for (size_t i = 0; i < row.n; ++i) {
    for (size_t j = 0; j < row.n; ++j) {
      double sum = 0;
      for (size_t k = 0; k < row.n; ++k) sum += inverted[i * row.n + k] * row.moments[k * row.n + j];
      EXPECT_NEAR(sum, i == j ? 1 : 0, 1e-8);
    }
  }
}

TEST(PruneRow, DampingMakesDeadInputsRegular) {
  std::vector<double> moments = {4, 0, 0, 0};
  damp(moments, 2, 0.01);
  EXPECT_EQ(moments, (std::vector<double>{4.02, 0, 0, 0.02}));
  std::vector<double> zeros(4, 0.0);
  damp(zeros, 2, 0.01);
  EXPECT_EQ(zeros, (std::vector<double>{1, 0, 0, 1}));
}

// Blocks of two columns, lost by two rows together.
TEST(PruneRow, EveryStepOfABlockTraceIsTheCheapestRemoval) {
  const std::vector<int> columns = {0, 3, 5, 1, 2, 6, 4, 7};
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const Row row = random_row(8, seed);
    Row second = row;
    second.weights = random_row(8, seed + 50).weights;
    std::vector<double> both = row.weights;
    both.insert(both.end(), second.weights.begin(), second.weights.end());
    const RemovalTrace trace = trace_blocks(both, inverse(row.moments, row.n), columns, 2);
    ASSERT_EQ(trace.order.size(), 4u);
    std::vector<bool> kept(row.n, true), gone(4, false);
    double error = 0;
    for (size_t step = 0; step < 4; ++step) {
      double least = INFINITY;
      size_t best = 0;
      std::vector<bool> mask;
      for (size_t b = 0; b < 4; ++b) {
        if (gone[b]) continue;
        std::vector<bool> without = kept;
        for (size_t i = 0; i < 2; ++i) without[static_cast<size_t>(columns[2 * b + i])] = false;
        const double added = refitted_error(row, without) + refitted_error(second, without) - error;
        if (added < least) {
          least = added;
          best = b;
          mask = without;
        }
      }
      EXPECT_EQ(trace.order[step], static_cast<int>(best)) << "step " << step;
      EXPECT_NEAR(trace.added[step], least, 1e-8 * (1 + least));
      gone[best] = true;
      kept = mask;
      error += least;
    }
  }
}

TEST(PruneRow, WhatGoesFirstCountsInItsGroup) {
  const std::vector<int> groups = {0, 0, 0, 0, 1, 1, 1, 1}, first = {2, 3, 7};
  const Row row = random_row(8, 4);
  const RemovalTrace trace = trace_removals(row.weights, inverse(row.moments, row.n), 8, groups, 2, first);
  ASSERT_EQ(trace.order.size(), 4u);
  EXPECT_TRUE(std::equal(first.begin(), first.end(), trace.order.begin()));
  EXPECT_GE(trace.order[3], 4) << "the first group may lose no more";
}

TEST(PruneRow, ExchangesEndWhereNoneHelps) {
  const std::vector<int> groups = {0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 2, -1};
  int improved = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const Row row = random_row(12, seed);
    std::vector<bool> kept(row.n);
    for (size_t i = 0; i < row.n; ++i) kept[i] = i % 4 < 2 && groups[i] >= 0;
    const std::vector<bool> given = kept;
    exchange_removals(row.weights, row.moments, groups, 50, kept);
    const double error = refitted_error(row, kept);
    EXPECT_LE(error, refitted_error(row, given) + 1e-12);
    improved += kept != given ? 1 : 0;
    EXPECT_FALSE(kept[11]) << "it is in no group";
    for (int group = 0; group < 3; ++group) {
      int before = 0, after = 0;
      for (size_t i = 0; i < row.n; ++i) {
        before += groups[i] == group && given[i] ? 1 : 0;
        after += groups[i] == group && kept[i] ? 1 : 0;
      }
      EXPECT_EQ(before, after);
    }
    for (size_t in = 0; in < row.n; ++in) {
      for (size_t out = 0; out < row.n; ++out) {
        if (kept[in] || !kept[out] || groups[in] != groups[out]) continue;
        std::vector<bool> other = kept;
        other[in] = true;
        other[out] = false;
        EXPECT_GE(refitted_error(row, other), error - 1e-6 * (1 + error)) << seed << ": " << in << " for " << out;
      }
    }
  }
  EXPECT_GT(improved, 15);
}

TEST(PruneScores, LampIsTheShareOfWhatIsAtLeastAsLarge) {
  Layer layer;
  layer.outputs = 1;
  layer.width = 4;
  layer.group_size = 4;
  layer.weights = {-3, 1, 2, 0};
  ThreadPool pool(1);
  const std::vector<double> scores = score_blocks(layer, Blocks(4), {}, "lamp", nullptr, {}, true, pool);
  EXPECT_EQ(scores, (std::vector<double>{1, 1.0 / 14, 4.0 / 13, 0}));
  const std::optional<Blocks> pairs = Blocks::of(layer, {.outputs = 1, .inputs = 2}, 1);
  ASSERT_TRUE(pairs.has_value());
  EXPECT_EQ(score_blocks(layer, *pairs, {.outputs = 1, .inputs = 2}, "lamp", nullptr, {}, true, pool),
            (std::vector<double>{1, 4.0 / 14}));
}

TEST(PruneMasks, PatternsAreNOfM) {
  const auto pattern = parse_pattern("2:4");
  ASSERT_TRUE(pattern.ok());
  EXPECT_EQ(pattern->keep, 2);
  EXPECT_EQ(pattern->of, 4);
  for (const char* text : {"", "2", "2:", ":4", "0:4", "4:4", "2:4x", "-1:4", "1:65", "two"}) {
    EXPECT_FALSE(parse_pattern(text).ok()) << text;
  }
  const auto shape = parse_block_shape("4x1");
  ASSERT_TRUE(shape.ok());
  EXPECT_EQ(shape->outputs, 4);
  EXPECT_EQ(shape->inputs, 1);
  for (const char* text : {"x", "4x", "x4", "1x1", "0x4", "65x1", "4x-1", "2:4x", "4x1x1"}) {
    EXPECT_FALSE(parse_block_shape(text).ok()) << text;
  }
  Layer layer;
  layer.outputs = 1;
  layer.width = 8;  // four channels of two taps
  layer.weights = {8, 1, 2, 7, 6, 3, 4, 5};
  layer.kept.assign(8, true);
  layer.group_step = 2;
  layer.group_size = 4;
  EXPECT_TRUE(mask_pattern(layer, layer.weights, *pattern));
  EXPECT_EQ(layer.kept, (std::vector<bool>{true, false, false, true, true, false, false, true}));
  layer.group_size = 3;
  EXPECT_FALSE(mask_pattern(layer, layer.weights, *pattern));
}

TEST(PruneMasks, SmallestGoFirstAndNoLayerLosesAll) {
  std::vector<Layer> layers(2);
  for (Layer& layer : layers) {
    layer.outputs = 1;
    layer.width = 4;
    layer.kept.assign(4, true);
  }
  std::vector<Contender> both = {{&layers[0], Blocks(4), {1, 2, 3, 4}}, {&layers[1], Blocks(4), {10, 9, 8, 7}}};
  mask_smallest(both, 5);
  EXPECT_EQ(layers[0].kept, (std::vector<bool>{false, false, false, true}));
  EXPECT_EQ(layers[1].kept, (std::vector<bool>{true, true, false, false}));
}

TEST(PruneMasks, BlocksGoAsAWhole) {
  Layer layer;
  layer.outputs = 4;
  layer.width = 4;  // two channels of two taps
  layer.group_step = 2;
  layer.group_size = 2;
  layer.weights.assign(16, 1);
  layer.kept.assign(16, true);
  const auto blocks = Blocks::of(layer, {.outputs = 2, .inputs = 2}, 4);
  ASSERT_TRUE(blocks.has_value());
  ASSERT_EQ(blocks->count(), 4u);
  std::vector<size_t> second;
  for (size_t i = 0; i < 4; ++i) second.push_back(blocks->weight(1, i));
  EXPECT_EQ(second, (std::vector<size_t>{1, 3, 5, 7})) << "the second tap of the first two outputs";
  std::vector<Contender> one = {{&layer, *blocks, {4, 1, 3, 2}}};
  mask_smallest(one, 9);
  EXPECT_EQ(layer.zeros(), 8) << "one more weight is nearer to two blocks than to three";
  for (const size_t weight : second) EXPECT_FALSE(layer.kept[weight]);
  EXPECT_FALSE(Blocks::of(layer, {.outputs = 4, .inputs = 1}, 2).has_value()) << "no block crosses groups";
  EXPECT_FALSE(Blocks::of(layer, {.outputs = 1, .inputs = 4}, 4).has_value());
}

TEST(PruneMasks, ZerosOfBeforeStay) {
  reconstruct::Layer weights;
  weights.outputs = 1;
  weights.width = 4;
  weights.weights = {0, 1, 0, 2};
  const Layer layer(std::move(weights));
  EXPECT_EQ(layer.kept, (std::vector<bool>{false, true, false, true}));
  EXPECT_EQ(layer.zeros(), 2);
}

}  // namespace
}  // namespace edgesmith::passes::prune
