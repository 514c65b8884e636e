// SPDX-License-Identifier: Apache-2.0
// The range with the least expected squared error, from the histogram.
//
// A value inside the range is off by the rounding of one step, uniformly: step^2 / 12; one outside by its distance to
// the end. Exact zeros have a code of their own and are never off. Both ends are searched, each over a grid of shares
// of its extreme. Symmetric codes have the step that the longer end needs; the other end then costs nothing to open.
#include <algorithm>
#include <utility>
#include <vector>

#include "passes/quantize/calibrators.h"

namespace edgesmith::passes::quantize {
namespace {

// The smallest share of an extreme that is tried, and the number of shares. Below a tenth the clipping of 8-bit ranges
// always loses.
constexpr double kSmallestShare = 0.1;
constexpr int kShares = 91;

double share(int index) { return kSmallestShare + (1 - kSmallestShare) * index / (kShares - 1); }

// Error of clipping, and how many values are clipped, for every candidate of one end.
struct Clipped {
  std::vector<double> error, count;
};

// The centres of the bins that are not empty, and their counts: few where there are many small tensors.
struct Filled {
  explicit Filled(const Histogram& histogram) {
    for (int bin = 0; bin < Histogram::kBins; ++bin) {
      const double n = histogram.counts()[static_cast<size_t>(bin)];
      if (n > 0) bins.emplace_back(histogram.centre(bin), n);
    }
  }
  std::vector<std::pair<double, double>> bins;
};

Clipped clip_end(const Filled& filled, double extreme) {
  Clipped clipped;
  for (int i = 0; i < kShares; ++i) {
    const double end = extreme * share(i);
    double error = 0, count = 0;
    for (const auto& [centre, n] : filled.bins) {
      const double beyond = extreme > 0 ? centre - end : end - centre;
      if (beyond <= 0) continue;
      error += n * beyond * beyond;
      count += n;
    }
    clipped.error.push_back(error);
    clipped.count.push_back(count);
  }
  return clipped;
}

}  // namespace

Range pick_mse(const Observations& observed, const CalibratorSettings& settings) {
  const Range extremes = observed.extremes.joined({0, 0});
  const Histogram& histogram = observed.histogram;
  const double nonzero = histogram.total() - histogram.zeros();
  const Filled filled(histogram);
  const Clipped below = clip_end(filled, extremes.min), above = clip_end(filled, extremes.max);
  const int first_below = extremes.min < 0 ? 0 : kShares - 1, first_above = extremes.max > 0 ? 0 : kShares - 1;
  Range best = extremes;
  double best_error = -1;
  for (int i = kShares - 1; i >= first_below; --i) {
    for (int j = kShares - 1; j >= first_above; --j) {
      const auto b = static_cast<size_t>(i), a = static_cast<size_t>(j);
      const double clipped_below = extremes.min < 0 ? below.count[b] : 0;
      const double clipped_above = extremes.max > 0 ? above.count[a] : 0;
      const double lower = extremes.min * share(i), upper = extremes.max * share(j);
      const double width = settings.symmetric ? 2 * std::max(upper, -lower) : upper - lower;
      const double step = width / settings.steps;
      double error = step * step / 12 * std::max(0.0, nonzero - clipped_below - clipped_above);
      if (extremes.min < 0) error += below.error[b];
      if (extremes.max > 0) error += above.error[a];
      if (best_error >= 0 && error >= best_error) continue;
      best_error = error;
      best = {static_cast<float>(extremes.min * share(i)), static_cast<float>(extremes.max * share(j))};
    }
  }
  return best;
}

}  // namespace edgesmith::passes::quantize
