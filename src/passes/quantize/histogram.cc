// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/histogram.h"

#include <algorithm>

namespace edgesmith::passes::quantize {

Histogram::Histogram(const Distribution& distribution, Range range)
    : range_(range),
      width_((static_cast<double>(range.max) - range.min) / kBins),
      counts_(kBins, 0.0),
      zeros_(static_cast<double>(distribution.zeros())),
      total_(static_cast<double>(distribution.total())) {
  const auto place_of = [&](double value) {  // in bins
    const double place = width_ > 0 ? (value - range_.min) / width_ : 0.0;
    return std::clamp(place, 0.0, static_cast<double>(kBins));
  };
  const auto& counted = distribution.counts();
  for (size_t i = 0; i < counted.size(); ++i) {
    if (counted[i] == 0) continue;
    const auto bin = static_cast<int64_t>(i);
    const auto count = static_cast<double>(counted[i]);
    const double from = place_of(distribution.lower(bin)), to = place_of(distribution.lower(bin + 1));
    const auto first = std::min(static_cast<size_t>(from), size_t{kBins - 1});
    if (!(to > from)) {
      counts_[first] += count;
      continue;
    }
    for (size_t b = first; b < kBins && static_cast<double>(b) < to; ++b) {
      const double overlap = std::min(to, static_cast<double>(b + 1)) - std::max(from, static_cast<double>(b));
      counts_[b] += count * overlap / (to - from);
    }
  }
}

double Histogram::squared_error(Range codes, int steps) const {
  const double step = static_cast<double>(codes.width()) / steps;
  double error = 0;
  for (int bin = 0; bin < kBins; ++bin) {
    const double count = counts_[static_cast<size_t>(bin)];
    if (count == 0) continue;
    const double beyond = std::max(codes.min - centre(bin), centre(bin) - codes.max);
    error += count * (beyond > step / 2 ? beyond * beyond : step * step / 12);
  }
  return error;
}

}  // namespace edgesmith::passes::quantize
