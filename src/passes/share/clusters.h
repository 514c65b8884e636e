// SPDX-License-Identifier: Apache-2.0
// Weighted k-means of numbers, exact: no random starts, no local optimum.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace edgesmith::passes::share {

/// A number, how much it weighs, and nothing else.
struct Point {
  double value = 0, weight = 0;
};

/// The k or fewer centres, ascending, with the least sum of weight * (value - nearest centre)^2. In one dimension
/// clusters are intervals, so dynamic programming over the sorted values finds the best ones: row q holds the least
/// error of the first i values in q clusters; the last cluster of a longer prefix never begins earlier, so a row takes
/// O(n log n) by divide and conquer (Wang and Song 2011, "Ckmeans.1d.dp"; Gronlund et al. 2017, "Fast exact k-means,
/// k-medians and Bregman divergence clustering in 1D", section 2). Equal values are one. Of more distinct values than
/// affordable(k), neighbours are joined first: between 0 and 65536 of them for k <= 64, and never fewer than 64 a
/// cluster. Weights are >= 0; when all are zero, every value weighs the same.
std::vector<double> cluster(std::vector<Point> points, int64_t k);

/// Distinct values up to which cluster() is exact.
size_t affordable(int64_t k);

/// Index of the centre nearest to `value`; the lower one of two at the same distance. `centres` ascend.
size_t nearest(std::span<const double> centres, double value);

}  // namespace edgesmith::passes::share
