// SPDX-License-Identifier: Apache-2.0
// Optimal brain surgeon on rows of weights against brute force.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "edgesmith/base/random.h"
#include "passes/prune/masks.h"
#include "passes/prune/obs.h"
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

TEST(PruneMasks, PatternsAreNOfM) {
  const auto pattern = parse_pattern("2:4");
  ASSERT_TRUE(pattern.ok());
  EXPECT_EQ(pattern->keep, 2);
  EXPECT_EQ(pattern->of, 4);
  for (const char* text : {"", "2", "2:", ":4", "0:4", "4:4", "2:4x", "-1:4", "1:65", "two"}) {
    EXPECT_FALSE(parse_pattern(text).ok()) << text;
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
  mask_smallest(layers, {{1, 2, 3, 4}, {10, 9, 8, 7}}, 5);
  EXPECT_EQ(layers[0].kept, (std::vector<bool>{false, false, false, true}));
  EXPECT_EQ(layers[1].kept, (std::vector<bool>{true, true, false, false}));
}

}  // namespace
}  // namespace edgesmith::passes::prune
