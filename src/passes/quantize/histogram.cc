// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/histogram.h"

#include <algorithm>
#include <array>

#include "edgesmith/base/check.h"

namespace edgesmith::passes::quantize {

Histogram::Histogram(Range range)
    : range_(range), width_((static_cast<double>(range.max) - range.min) / kBins), counts_(kBins, 0) {
  bins_per_unit_ = width_ > 0 ? static_cast<float>(1.0 / width_) : 0.0f;
}

void Histogram::add(std::span<const float> values) {
  // Bins of a run at a time: finding them is vector code, counting cannot be. Exact zeros go to a bin of their own.
  constexpr size_t kRun = 1024;
  constexpr int kZeros = kBins;
  std::array<int32_t, kRun> bins;
  std::vector<uint64_t> counts(kBins + 1, 0);
  const float low = range_.min, factor = bins_per_unit_, last = static_cast<float>(kBins - 1);
  for (size_t first = 0; first < values.size(); first += kRun) {
    const size_t count = std::min(kRun, values.size() - first);
    const float* run = values.data() + first;
    for (size_t i = 0; i < count; ++i) {
      float position = (run[i] - low) * factor;
      position = position > 0.0F ? position : 0.0F;
      position = position < last ? position : last;
      bins[i] = run[i] == 0.0F ? kZeros : static_cast<int32_t>(position);
    }
    for (size_t i = 0; i < count; ++i) ++counts[static_cast<size_t>(bins[i])];
  }
  for (size_t bin = 0; bin < kBins; ++bin) counts_[bin] += counts[bin];
  zeros_ += counts[kZeros];
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
