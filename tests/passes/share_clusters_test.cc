// SPDX-License-Identifier: Apache-2.0
// The exact k-means against trying every partition.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "edgesmith/base/random.h"
#include "passes/share/clusters.h"

namespace edgesmith::passes::share {
namespace {

double error_of(const std::vector<Point>& points, const std::vector<double>& centres) {
  double error = 0;
  for (const Point& point : points)
    error += point.weight * std::pow(point.value - centres[nearest(centres, point.value)], 2);
  return error;
}

double interval_error(const std::vector<Point>& points, size_t from, size_t to) {
  double w = 0, s = 0, error = 0;
  for (size_t i = from; i < to; ++i) {
    w += points[i].weight;
    s += points[i].weight * points[i].value;
  }
  for (size_t i = from; i < to; ++i) error += w > 0 ? points[i].weight * std::pow(points[i].value - s / w, 2) : 0;
  return error;
}

// The least error of points[from..] in at most k intervals, by trying all.
double brute_force(const std::vector<Point>& points, size_t from, int k) {
  if (from == points.size()) return 0;
  if (k == 1) return interval_error(points, from, points.size());
  double least = INFINITY;
  for (size_t to = from + 1; to <= points.size(); ++to) {
    least = std::min(least, interval_error(points, from, to) + brute_force(points, to, k - 1));
  }
  return least;
}

std::vector<Point> random_points(Random& random, int count, bool repeats) {
  std::vector<Point> points;
  for (int i = 0; i < count; ++i) {
    const double value = random.normal();
    points.push_back({repeats ? std::round(value * 2) / 2 : value, std::floor(random.uniform() * 4)});
  }
  return points;
}

TEST(Clusters, NoPartitionIsBetter) {
  Random random(5);
  for (int round = 0; round < 200; ++round) {
    const int k = 1 + round % 5;
    std::vector<Point> points = random_points(random, 1 + round % 12, round % 2 == 0);
    const bool weightless = std::all_of(points.begin(), points.end(), [](const Point& p) { return p.weight == 0; });
    if (weightless) continue;
    const std::vector<double> centres = cluster(points, k);
    ASSERT_LE(centres.size(), static_cast<size_t>(k));
    EXPECT_TRUE(std::is_sorted(centres.begin(), centres.end()));
    std::sort(points.begin(), points.end(), [](const Point& a, const Point& b) { return a.value < b.value; });
    EXPECT_NEAR(error_of(points, centres), brute_force(points, 0, k), 1e-9) << "round " << round;
  }
}

TEST(Clusters, FewDistinctValuesAreKeptExactly) {
  const std::vector<double> centres = cluster({{3, 1}, {-1, 2}, {3, 5}, {0.25, 1}}, 8);
  ASSERT_EQ(centres.size(), 3U);
  EXPECT_NEAR(centres[0], -1, 1e-15);
  EXPECT_NEAR(centres[1], 0.25, 1e-15);
  EXPECT_NEAR(centres[2], 3, 1e-15);
}

TEST(Clusters, WithoutWeightsEveryValueCountsTheSame) {
  EXPECT_EQ(cluster({{0, 0}, {1, 0}, {10, 0}}, 2), (std::vector<double>{0.5, 10}));
  EXPECT_TRUE(cluster({}, 4).empty());
}

TEST(Clusters, JoiningNeighboursCostsNextToNothing) {
  Random random(9);
  std::vector<Point> points;
  for (size_t i = 0; i < 3 * affordable(16); ++i) points.push_back({random.normal(), 1 + random.uniform()});
  points.push_back({1000, 1});  // an outlier must not make all the others one
  const double joined = error_of(points, cluster(points, 16));
  // Fewer values, clustered exactly, tell what the optimum of this distribution is; 15 clusters and the outlier's.
  const std::vector<Point> some(points.begin(), points.begin() + static_cast<std::ptrdiff_t>(affordable(16)));
  const double exact = error_of(some, cluster(some, 15)) * 3;
  EXPECT_NEAR(joined / exact, 1, 0.02);
}

TEST(Clusters, NearestTakesTheLowerOfTwo) {
  const std::vector<double> centres = {-1, 1, 4};
  EXPECT_EQ(nearest(centres, -9), 0U);
  EXPECT_EQ(nearest(centres, 0), 0U);
  EXPECT_EQ(nearest(centres, 0.1), 1U);
  EXPECT_EQ(nearest(centres, 9), 2U);
}

}  // namespace
}  // namespace edgesmith::passes::share
