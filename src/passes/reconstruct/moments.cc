// SPDX-License-Identifier: Apache-2.0
#include "passes/reconstruct/moments.h"

#include <algorithm>
#include <cmath>

#include "edgesmith/base/progress.h"

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

// The lower factor in place of the lower triangle. False where a pivot is too small and `strict`; otherwise the row of
// such a pivot stands alone. An interrupt leaves it half done.
bool factor_lower(std::span<double> matrix, size_t n, double least, double largest, bool strict) {
  for (size_t i = 0; i < n && !interrupted(); ++i) {
    double* row = &matrix[i * n];
    for (size_t j = 0; j < i; ++j) {
      const double* other = &matrix[j * n];
      row[j] = (row[j] - dot(row, other, j)) / other[j];
    }
    const double pivot = row[i] - dot(row, row, i);
    if (pivot > least) {
      row[i] = std::sqrt(pivot);
    } else if (strict) {
      return false;
    } else {  // divided by next to nothing, what is left of the rows after it would grow without bounds
      std::fill_n(row, i, 0.0);
      row[i] = std::sqrt(largest > 0 ? largest : 1.0);
    }
  }
  return true;
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

double next_damping(double added, double more) { return added + 2 * more; }

double damp_until_definite(std::span<double> matrix, size_t n, double share) {
  const double added = damp(matrix, n, share);
  std::vector<double> factored(matrix.begin(), matrix.end());
  const double more = factor(factored, n, added);
  for (size_t i = 0; i < n; ++i) matrix[i * n + i] += more;
  return added + more;
}

double factor(std::span<double> matrix, size_t n, double added) {
  std::vector<double> diagonal(n);
  for (size_t i = 0; i < n; ++i) diagonal[i] = matrix[i * n + i];
  const double largest = n > 0 ? *std::max_element(diagonal.begin(), diagonal.end()) : 0;
  double more = 0;
  while (!factor_lower(matrix, n, smallest_pivot(largest, added + more), largest, added > 0 && more < largest)) {
    more = next_damping(added, more);
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = 0; j < i; ++j) matrix[i * n + j] = matrix[j * n + i];
      matrix[i * n + i] = diagonal[i] + more;
    }
  }
  return more;
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
  for (size_t i = 0; i < n && !interrupted(); ++i) {
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
