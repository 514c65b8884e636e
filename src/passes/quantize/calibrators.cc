// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/calibrators.h"

#include <algorithm>
#include <array>

namespace edgesmith::passes::quantize {
namespace {

constexpr std::array<CalibratorInfo, 5> kCalibrators = {{
    {"minmax", "the smallest and largest value seen", pick_min_max, false},
    {"moving-average", "the moving average of the smallest and largest value of a sample", pick_moving_average, false},
    {"percentile", "the range that holds a given percentage of the values", pick_percentile, true},
    {"mse", "the range with the least squared error of rounding and clipping", pick_mse, true},
    {"entropy", "the range whose quantized distribution is nearest in Kullback-Leibler divergence", pick_entropy, true},
}};

}  // namespace

std::span<const CalibratorInfo> all_calibrators() { return kCalibrators; }

Range pick_min_max(const Observations& observed, const CalibratorSettings&) { return observed.extremes.joined({0, 0}); }

Range pick_moving_average(const Observations& observed, const CalibratorSettings&) {
  return observed.moving_average.joined({0, 0});
}

Range pick_percentile(const Observations& observed, const CalibratorSettings& settings) {
  const Histogram& histogram = observed.histogram;
  const Range extremes = observed.extremes.joined({0, 0});
  const double outside = histogram.total() * (1 - settings.percentile / 100);
  const bool two_sided = extremes.min < 0 && extremes.max > 0;
  const double cut = two_sided ? outside / 2 : outside;
  const auto& counts = histogram.counts();
  Range range = extremes;
  double passed = 0;
  for (int bin = 0; extremes.min < 0 && bin < Histogram::kBins; ++bin) {
    passed += counts[static_cast<size_t>(bin)];
    if (passed > cut) {
      range.min = static_cast<float>(std::min(0.0, histogram.lower(bin)));
      break;
    }
  }
  passed = 0;
  for (int bin = Histogram::kBins - 1; extremes.max > 0 && bin >= 0; --bin) {
    passed += counts[static_cast<size_t>(bin)];
    if (passed > cut) {
      range.max = static_cast<float>(std::max(0.0, histogram.lower(bin + 1)));
      break;
    }
  }
  return range;
}

}  // namespace edgesmith::passes::quantize
