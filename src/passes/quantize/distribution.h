// SPDX-License-Identifier: Apache-2.0
// How the numbers of a value are distributed, counted while their range is still growing.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "passes/quantize/range.h"

namespace edgesmith::passes::quantize {

/// Counts of reals in bins whose width is a power of two: the smallest with which kBins bins hold zero and all that was
/// seen. Where the range outgrows them, pairs of bins join. So the counts of any split of the data, added in any order,
/// are the same. Exact zeros are counted apart.
class Distribution {
 public:
  static constexpr int kBins = 2048;
  /// So few values are added at once without a table of all bins.
  static constexpr size_t kFew = 1024;

  /// Counts `values`, all of which are finite and lie within `ends`.
  void add(std::span<const float> values, Range ends);
  /// The same, after all before is forgotten.
  void count_anew(std::span<const float> values, Range ends);
  /// Adds the counts of another one.
  void merge(const Distribution& other);

  /// All values, zeros included.
  uint64_t total() const { return total_; }
  uint64_t zeros() const { return zeros_; }
  /// Zeros not included; empty before anything was added. Bin i holds [lower(i), lower(i + 1)).
  const std::vector<uint64_t>& counts() const { return counts_; }
  double lower(int64_t bin) const;

 private:
  /// Makes the bins hold `range`.
  void cover(const Range& range);

  Range range_;        // zero included
  int exponent_ = 0;   // of the width
  int64_t first_ = 0;  // bin 0 begins at so many widths
  std::vector<uint64_t> counts_;
  uint64_t zeros_ = 0, total_ = 0;
};

}  // namespace edgesmith::passes::quantize
