// SPDX-License-Identifier: Apache-2.0
// Sums of the products of every two numbers of a row, over rows of floats.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace edgesmith::passes::quantize {

/// Room for numbers that are written before they are read, kept from one use to the next.
class Scratch {
 public:
  float* room(size_t numbers) {
    if (numbers > size_) numbers_ = std::make_unique_for_overwrite<float[]>(size_ = numbers);
    return numbers_.get();
  }

 private:
  std::unique_ptr<float[]> numbers_;
  size_t size_ = 0;
};

/// The upper triangle of X^T X, X [rows, width]. Floats add up some rows; where many come, doubles add up what those
/// gave: products of floats are as exact as that asks for, and cost half the time.
class ProductSums {
 public:
  /// Rows that floats add up well: the rounding of their sums is a millionth then. Weights of eight bits are rounded by
  /// no more of them.
  static constexpr int64_t kRowsOfFloats = 4096;
  /// Rows that floats add up before doubles take over.
  static constexpr int64_t kRowsPerFold = 1024;

  explicit ProductSums(int width) : width_(static_cast<size_t>(width)) {}

  /// Makes room for the sums. `many`: more than kRowsOfFloats rows will come.
  void start(bool many);
  bool started() const { return !recent_.empty(); }
  /// Bytes of the sums of some numbers.
  static int64_t bytes(int width, bool many);

  /// Rows first_row .. last_row - 1 of X^T X, from column `first_row` on, for `count` rows of X: element (r, i) of X is
  /// at x[r * stride + i - first_row]. kReadAhead numbers behind the last row must be readable.
  void add(const float* x, int64_t stride, int64_t count, int first_row, int last_row, Scratch& scratch);
  static constexpr size_t kReadAhead = 64;
  /// Hands what floats hold of these rows to the doubles, where there are any.
  void fold(int first_row, int last_row);

  /// Of the numbers i <= j.
  double sum(size_t i, size_t j) const {
    const double recent = recent_[i * width_ + j];
    return all_.empty() ? recent : all_[i * (2 * width_ - i - 1) / 2 + j] + recent;
  }

 private:
  size_t width_ = 0;
  std::vector<float> recent_;  // [width, width]; true in the upper triangle
  std::vector<double> all_;    // the upper triangle, row by row; or empty
};

}  // namespace edgesmith::passes::quantize
