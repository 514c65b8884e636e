// SPDX-License-Identifier: Apache-2.0
// Codes that a packer spends few bits on: their price, and that sweeps and descent follow it.
#include "passes/reconstruct/rate.h"

#include <gtest/gtest.h>

#include <cmath>

#include "edgesmith/base/random.h"

namespace edgesmith::passes::reconstruct {
namespace {

std::vector<double> normals(size_t count, Random& random) {
  std::vector<double> out;
  for (size_t i = 0; i < count; ++i) out.push_back(random.normal());
  return out;
}

std::vector<double> random_moments(size_t n, Random& random) {
  const std::vector<double> mixing = normals(n * n, random);
  std::vector<double> moments(n * n, 0.0);
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j < n; ++j) {
      for (size_t k = 0; k < n; ++k) moments[i * n + j] += mixing[i * n + k] * mixing[j * n + k];
    }
    moments[i * n + i] += 1;
  }
  return moments;
}

// Output error plus price times bits.
double cost_of(std::span<const double> wanted, std::span<const double> values, std::span<const double> moments,
               const RatedGrid& grid) {
  const size_t n = wanted.size();
  double cost = 0;
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j < n; ++j) {
      cost += (wanted[i] - values[i]) * moments[i * n + j] * (wanted[j] - values[j]);
    }
    const auto code = static_cast<int>(std::nearbyint(values[i] / grid.scale));
    cost += grid.price * grid.bits[static_cast<size_t>(code - grid.low)];
  }
  return cost;
}

TEST(CodeRates, AreThoseOfAnEntropyCoder) {
  CodeRates rates(-8, 7);
  for (const double mean : {0.0, 0.01, 0.3, 1.0, 3.0}) {
    double sum = 0;
    const std::vector<double> bits = rates.bits(mean);
    for (int code = -8; code <= 7; ++code) {
      const double own = bits[static_cast<size_t>(code + 8)];
      sum += std::exp2(-own);
      EXPECT_LE(own, 16);
      EXPECT_GE(own, bits[8]) << "zero is the cheapest";
      EXPECT_EQ(own, bits[static_cast<size_t>(8 + (code == -8 ? code : std::abs(code)))]);
    }
    EXPECT_NEAR(sum, 1, 0.12) << mean;  // what lies beyond the codes is missing
  }
  // Rows of ones and minus ones alone.
  std::vector<int> codes;
  for (int i = 0; i < 4000; ++i) codes.push_back(i % 4 == 0 ? 1 : -1);
  rates.learn(codes);
  const std::vector<double> bits = rates.bits(mean_magnitude(codes));
  EXPECT_NEAR(bits[9], 2, 0.1);
  EXPECT_NEAR(bits[7], std::log2(4.0 / 3), 0.1);
  EXPECT_GT(bits[8], 6);
  // Rows of smaller codes know nothing of those.
  EXPECT_LT(rates.bits(0.1)[8], 0.5);
}

TEST(RatedGrid, WeighsErrorAgainstBits) {
  RatedGrid grid{.scale = 0.5, .low = -8, .bits = CodeRates(-8, 7).bits(0.5)};
  EXPECT_EQ(grid.choose(1.3, 1), 3);
  EXPECT_EQ(grid.choose(-100, 1), -8);
  grid.price = 0.05;
  EXPECT_EQ(grid.choose(1.3, 1), 2) << "0.2 away instead of 0.3, for a bit or two";
  grid.price = 100;
  EXPECT_EQ(grid.choose(1.3, 1), 0);
  EXPECT_EQ(grid.choose(-4, 1), 0);
}

TEST(RatedGrids, SweepAndDescentLowerTheCost) {
  Random random(5);
  double swept = 0, nearest = 0;
  for (int run = 0; run < 20; ++run) {
    const size_t n = 30;
    const std::vector<double> moments = random_moments(n, random), wanted = normals(n, random);
    const MomentFactor factor = factor_moments(moments, static_cast<int>(n), 0);
    std::vector<double> zeros(n, 1.0);
    zeros[4] = zeros[20] = 0;
    RatedGrids grids;
    grids.rows.push_back({.scale = 0.4, .low = -8, .bits = CodeRates(-8, 7).bits(1.5), .price = 0.5, .zeros = zeros});
    grids.start_block(factor, 0);
    std::vector<double> values(n), rounded(n);
    sweep(std::vector<Row>{{wanted, values}}, factor, grids);
    for (size_t k = 0; k < n; ++k) {
      rounded[k] = zeros[k] == 0 ? 0 : 0.4 * std::clamp(std::nearbyint(wanted[k] / 0.4), -8.0, 7.0);
    }
    double before = cost_of(wanted, values, moments, grids.rows[0]);
    swept += before;
    nearest += cost_of(wanted, rounded, moments, grids.rows[0]);
    for (int round = 0; descend_rated({wanted, values}, moments, grids.rows[0], 0); ++round) {
      const double after = cost_of(wanted, values, moments, grids.rows[0]);
      EXPECT_LT(after, before);
      before = after;
      ASSERT_LT(round, 100);
    }
    EXPECT_EQ(values[4], 0);
    EXPECT_EQ(values[20], 0);
  }
  EXPECT_LT(swept, 0.8 * nearest);
}

}  // namespace
}  // namespace edgesmith::passes::reconstruct
