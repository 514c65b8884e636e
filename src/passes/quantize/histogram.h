// SPDX-License-Identifier: Apache-2.0
// The distribution of a value over the calibration data, in fixed memory.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "passes/quantize/range.h"

namespace edgesmith::passes::quantize {

/// Counts of reals in equal bins over a range that was observed before. Counting is exact, so the histogram of any
/// split of the data, in any order, is the same.
class Histogram {
 public:
  static constexpr int kBins = 2048;

  Histogram() = default;
  explicit Histogram(Range range);

  /// Counts `values`. What lies outside the range is counted in the nearest bin; exact zeros are counted apart.
  void add(std::span<const float> values);
  /// Adds the counts of a histogram over the same range.
  void merge(const Histogram& other);

  Range range() const { return range_; }
  /// Counts of the bins, exact zeros not included.
  const std::vector<uint64_t>& counts() const { return counts_; }
  uint64_t zeros() const { return zeros_; }
  /// All values, zeros included.
  uint64_t total() const { return total_; }
  /// Edges and centre of bin `bin`.
  double lower(int bin) const { return range_.min + width_ * bin; }
  double centre(int bin) const { return range_.min + width_ * (bin + 0.5); }
  /// Sum of squared errors when the values are coded in `steps` equal steps over `codes`: the rounding of a step,
  /// uniformly, for what lies inside; the distance to the end for what lies outside. Exact zeros are never off.
  double squared_error(Range codes, int steps) const;

 private:
  Range range_;
  double width_ = 0;
  float bins_per_unit_ = 0;
  std::vector<uint64_t> counts_;
  uint64_t zeros_ = 0, total_ = 0;
};

}  // namespace edgesmith::passes::quantize
