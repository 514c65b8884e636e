// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/distribution.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "runtime/isa.h"
#include "runtime/native/statistics.h"

namespace edgesmith::passes::quantize {
namespace {

// Of a width; its inverse must be a float, too.
constexpr int kSmallestExponent = -126;

int64_t bin_of(float value, int exponent) {
  return static_cast<int64_t>(std::floor(std::ldexp(static_cast<double>(value), -exponent)));
}

}  // namespace

double Distribution::lower(int64_t bin) const { return std::ldexp(static_cast<double>(first_ + bin), exponent_); }

void Distribution::cover(const Range& range) {
  const Range joined = range_.joined(range);
  if (!counts_.empty() && joined == range_) return;
  int exponent = counts_.empty() ? kSmallestExponent : exponent_;
  if (joined.magnitude() > 0) exponent = std::max(exponent, std::ilogb(joined.magnitude()) - 12);
  while (bin_of(joined.max, exponent) - bin_of(joined.min, exponent) >= kBins) ++exponent;
  const int64_t first = bin_of(joined.min, exponent);
  std::vector<uint64_t> counts(kBins, 0);
  for (size_t i = 0; i < counts_.size(); ++i) {
    if (counts_[i] == 0) continue;
    const int64_t bin = (first_ + static_cast<int64_t>(i)) >> (exponent - exponent_);
    counts[static_cast<size_t>(bin - first)] += counts_[i];
  }
  counts_ = std::move(counts);
  range_ = joined;
  exponent_ = exponent;
  first_ = first;
}

void Distribution::add(std::span<const float> values, Range ends) {
  // Bins of a run at a time: finding them is vector code, counting cannot be. Neighbours often fall into one bin; four
  // tables keep a count from waiting for the one just before it. Exact zeros go to a bin of their own.
  constexpr size_t kRun = 4096, kTables = 4;
  constexpr int kZeros = kBins;
  static_assert(kRun % kTables == 0 && kFew <= kRun);
  cover(ends.joined({0, 0}));
  const auto find_bins = runtime::native::statistics_table(*runtime::isa_in_use()).find_bins;
  const auto bins_per_unit = static_cast<float>(std::ldexp(1.0, -exponent_));
  std::array<int32_t, kRun> bins;
  if (values.size() <= kFew) {
    find_bins(values.data(), static_cast<int64_t>(values.size()), bins_per_unit, static_cast<int32_t>(first_), kZeros,
              bins.data());
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
    find_bins(values.data() + first, static_cast<int64_t>(count), bins_per_unit, static_cast<int32_t>(first_), kZeros,
              bins.data());
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

void Distribution::count_anew(std::span<const float> values, Range ends) {
  *this = Distribution();
  add(values, ends);
}

void Distribution::merge(const Distribution& other) {
  if (other.counts_.empty()) return;
  cover(other.range_);
  for (size_t i = 0; i < other.counts_.size(); ++i) {
    if (other.counts_[i] == 0) continue;
    const int64_t bin = (other.first_ + static_cast<int64_t>(i)) >> (exponent_ - other.exponent_);
    counts_[static_cast<size_t>(bin - first_)] += other.counts_[i];
  }
  zeros_ += other.zeros_;
  total_ += other.total_;
}

}  // namespace edgesmith::passes::quantize
