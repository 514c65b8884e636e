// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/histogram.h"

#include <algorithm>

#include "edgesmith/base/check.h"

namespace edgesmith::passes::quantize {

Histogram::Histogram(Range range)
    : range_(range), width_((static_cast<double>(range.max) - range.min) / kBins), counts_(kBins, 0) {
  bins_per_unit_ = width_ > 0 ? static_cast<float>(1.0 / width_) : 0.0f;
}

void Histogram::add(std::span<const float> values) {
  uint64_t zeros = 0;
  for (const float value : values) {
    if (value == 0.0f) {
      ++zeros;
      continue;
    }
    const float position = (value - range_.min) * bins_per_unit_;
    const int bin = position < static_cast<float>(kBins - 1) ? static_cast<int>(position) : kBins - 1;
    ++counts_[static_cast<size_t>(position > 0 ? bin : 0)];
  }
  zeros_ += zeros;
  total_ += values.size();
}

void Histogram::merge(const Histogram& other) {
  EDGESMITH_CHECK(range_ == other.range_ && counts_.size() == other.counts_.size());
  for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
  zeros_ += other.zeros_;
  total_ += other.total_;
}

double Histogram::share_outside(Range range) const {
  if (total_ == 0) return 0;
  uint64_t outside = 0;
  for (int bin = 0; bin < kBins; ++bin) {
    if (centre(bin) < range.min || centre(bin) > range.max) outside += counts_[static_cast<size_t>(bin)];
  }
  return static_cast<double>(outside) / static_cast<double>(total_);
}

double Histogram::squared_error(Range codes, int steps) const {
  const double step = static_cast<double>(codes.width()) / steps;
  double error = 0;
  for (int bin = 0; bin < kBins; ++bin) {
    const auto count = static_cast<double>(counts_[static_cast<size_t>(bin)]);
    const double beyond = std::max(codes.min - centre(bin), centre(bin) - codes.max);
    error += count * (beyond > step / 2 ? beyond * beyond : step * step / 12);
  }
  return error;
}

}  // namespace edgesmith::passes::quantize
