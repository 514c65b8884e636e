// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/histogram.h"

#include <algorithm>
#include <array>

#include "edgesmith/base/check.h"
#include "runtime/isa.h"
#include "runtime/native/statistics.h"

namespace edgesmith::passes::quantize {

Histogram::Histogram(Range range)
    : range_(range), width_((static_cast<double>(range.max) - range.min) / kBins), counts_(kBins, 0) {
  bins_per_unit_ = width_ > 0 ? static_cast<float>(1.0 / width_) : 0.0f;
}

void Histogram::add(std::span<const float> values) {
  // Bins of a run at a time: finding them is vector code, counting cannot be. Neighbours often fall into one bin; four
  // tables keep a count from waiting for the one just before it. Exact zeros go to a bin of their own.
  constexpr size_t kRun = 4096, kTables = 4;
  constexpr int kZeros = kBins;
  constexpr size_t kMostAlone = 1024;  // so few are counted before the tables are cleared
  static_assert(kRun % kTables == 0);
  const auto find_bins = runtime::native::statistics_table(*runtime::isa_in_use()).find_bins;
  std::array<int32_t, kRun> bins;
  if (values.size() <= kMostAlone) {
    find_bins(values.data(), static_cast<int64_t>(values.size()), range_.min, bins_per_unit_, kBins, bins.data());
    for (size_t i = 0; i < values.size(); ++i) ++(bins[i] == kZeros ? zeros_ : counts_[static_cast<size_t>(bins[i])]);
    total_ += values.size();
    return;
  }
  std::array<std::array<uint32_t, kBins + 1>, kTables> counts;
  for (auto& table : counts) table.fill(0);
  const auto flush = [&] {
    for (auto& table : counts) {
      for (size_t bin = 0; bin < kBins; ++bin) counts_[bin] += table[bin];
      zeros_ += table[kZeros];
      table.fill(0);
    }
  };
  constexpr size_t kMostCounted = size_t{1} << 31;
  size_t counted = 0;
  for (size_t first = 0; first < values.size(); first += kRun) {
    const size_t count = std::min(kRun, values.size() - first);
    find_bins(values.data() + first, static_cast<int64_t>(count), range_.min, bins_per_unit_, kBins, bins.data());
    size_t i = 0;
    for (; i + kTables <= count; i += kTables) {
      for (size_t t = 0; t < kTables; ++t) ++counts[t][static_cast<size_t>(bins[i + t])];
    }
    for (; i < count; ++i) ++counts[0][static_cast<size_t>(bins[i])];
    if ((counted += count) < kMostCounted) continue;
    flush();
    counted = 0;
  }
  flush();
  total_ += values.size();
}

void Histogram::merge(const Histogram& other) {
  EDGESMITH_CHECK(range_ == other.range_ && counts_.size() == other.counts_.size());
  for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
  zeros_ += other.zeros_;
  total_ += other.total_;
}

double Histogram::squared_error(Range codes, int steps) const {
  const double step = static_cast<double>(codes.width()) / steps;
  double error = 0;
  for (int bin = 0; bin < kBins; ++bin) {
    const auto count = static_cast<double>(counts_[static_cast<size_t>(bin)]);
    if (count == 0) continue;
    const double beyond = std::max(codes.min - centre(bin), centre(bin) - codes.max);
    error += count * (beyond > step / 2 ? beyond * beyond : step * step / 12);
  }
  return error;
}

}  // namespace edgesmith::passes::quantize
