// SPDX-License-Identifier: Apache-2.0
// How large the elements of a kernel should be, by its output channel (row) and its input channel (column): where the
// two are independent, the product of both means over the mean of all.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace edgesmith::pack {

/// Learns the means of kernels' readings, times 16, in the order of the tensor.
class ChannelMeans {
 public:
  static constexpr size_t kMostColumns = 4096;
  /// `kernels` of a row; of more than kMostColumns the columns begin again.
  explicit ChannelMeans(size_t kernels) : columns_(std::clamp<size_t>(kernels, 1, kMostColumns)) {}

  /// What is to be expected of the next kernel.
  uint32_t expected() const {
    const uint32_t all = all_ / (seen_ + 1) + 1;
    const uint32_t row = (row_ + kPrior * all) / (in_row_ + kPrior), column = (columns_[at_] + all) / (rows_ + 1);
    return row * column / all;
  }
  void add(uint32_t mean) {
    all_ += mean;
    if (++seen_ == kMemory) all_ /= 2, seen_ /= 2;
    columns_[at_] += mean;
    row_ += mean;
    ++in_row_;
    if (++at_ < columns_.size()) return;
    at_ = 0;
    ++rows_;
    row_ = in_row_ = 0;
  }

 private:
  static constexpr uint32_t kPrior = 2;          // kernels that the mean of all counts as in a row
  static constexpr uint32_t kMemory = 1u << 18;  // sums stay below 2^32
  std::vector<uint32_t> columns_;                // sums
  size_t at_ = 0;
  uint32_t all_ = 0, seen_ = 0, row_ = 0, in_row_ = 0, rows_ = 0;
};

}  // namespace edgesmith::pack
