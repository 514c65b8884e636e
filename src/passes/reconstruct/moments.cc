// SPDX-License-Identifier: Apache-2.0
#include "passes/reconstruct/moments.h"

#include <algorithm>
#include <cmath>

namespace edgesmith::passes::reconstruct {

namespace {

// Pivots are above this share of the largest diagonal element, and above this share of what was added.
constexpr double kSmallestPivot = 1e-12, kShareOfAdded = 0.5;

// Four partial sums: a fixed order that vectorizes.
double dot(const double* a, const double* b, size_t n) {
  double s[4] = {};
  size_t i = 0;
  for (; i + 4 <= n; i += 4) {
    for (size_t l = 0; l < 4; ++l) s[l] += a[i + l] * b[i + l];
  }
  double sum = (s[0] + s[1]) + (s[2] + s[3]);
  for (; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace

double damp(std::span<double> matrix, size_t n, double share) {
  double sum = 0;
  for (size_t i = 0; i < n; ++i) sum += matrix[i * n + i];
  const double added = sum > 0 ? share * sum / static_cast<double>(n) : 1.0;
  for (size_t i = 0; i < n; ++i) matrix[i * n + i] += added;
  return added;
}

double smallest_pivot(double largest, double added) {
  return std::max(kShareOfAdded * added, kSmallestPivot * largest);
}

void factor(std::span<double> matrix, size_t n, double added) {
  double largest = 0;
  for (size_t i = 0; i < n; ++i) largest = std::max(largest, matrix[i * n + i]);
  const double least = smallest_pivot(largest, added);
  for (size_t i = 0; i < n; ++i) {
    double* row = &matrix[i * n];
    for (size_t j = 0; j < i; ++j) {
      const double* other = &matrix[j * n];
      row[j] = (row[j] - dot(row, other, j)) / other[j];
    }
    const double pivot = row[i] - dot(row, row, i);
    if (pivot > least) {
      row[i] = std::sqrt(pivot);
    } else {  // divided by next to nothing, what is left of the rows after it would grow without bounds
      std::fill_n(row, i, 0.0);
      row[i] = std::sqrt(largest > 0 ? largest : 1.0);
    }
  }
}

void solve(std::span<const double> factor, size_t n, std::span<double> b) {
  for (size_t i = 0; i < n; ++i) b[i] = (b[i] - dot(&factor[i * n], b.data(), i)) / factor[i * n + i];
  for (size_t i = n; i-- > 0;) {
    const double* row = &factor[i * n];
    b[i] /= row[i];
    for (size_t j = 0; j < i; ++j) b[j] -= row[j] * b[i];
  }
}

std::vector<double> inverse(std::vector<double> matrix, size_t n) {
  factor(matrix, n);
  std::vector<double> out(n * n, 0.0);
  for (size_t i = 0; i < n; ++i) {
    const std::span<double> column = std::span(out).subspan(i * n, n);
    column[i] = 1;
    solve(matrix, n, column);
  }
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j < i; ++j) out[i * n + j] = out[j * n + i] = (out[i * n + j] + out[j * n + i]) / 2;
  }
  return out;
}

}  // namespace edgesmith::passes::reconstruct
