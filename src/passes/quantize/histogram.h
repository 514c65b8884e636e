// SPDX-License-Identifier: Apache-2.0
// The distribution of a value over the calibration data, as calibrators look at it.
#pragma once

#include <vector>

#include "passes/quantize/distribution.h"
#include "passes/quantize/range.h"

namespace edgesmith::passes::quantize {

/// Numbers in equal bins over a range.
class Histogram {
 public:
  static constexpr int kBins = 2048;

  Histogram() = default;
  /// `range` holds zero and all that was counted. What one bin of `distribution` counted goes to the bins that it
  /// overlaps, by the overlap.
  Histogram(const Distribution& distribution, Range range);

  Range range() const { return range_; }
  /// Of the bins, exact zeros not included.
  const std::vector<double>& counts() const { return counts_; }
  double zeros() const { return zeros_; }
  /// All values, zeros included.
  double total() const { return total_; }
  /// Edges and centre of bin `bin`.
  double lower(int bin) const { return range_.min + width_ * bin; }
  double centre(int bin) const { return range_.min + width_ * (bin + 0.5); }
  /// Sum of squared errors when the values are coded in `steps` equal steps over `codes`: the rounding of a step,
  /// uniformly, for what lies inside; the distance to the end for what lies outside. Exact zeros are never off.
  double squared_error(Range codes, int steps) const;

 private:
  Range range_;
  double width_ = 0;
  std::vector<double> counts_;
  double zeros_ = 0, total_ = 0;
};

}  // namespace edgesmith::passes::quantize
