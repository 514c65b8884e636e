// SPDX-License-Identifier: Apache-2.0
#include "passes/reconstruct/sweep.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "edgesmith/base/check.h"
#include "edgesmith/base/progress.h"
#include "passes/reconstruct/descent.h"
#include "passes/reconstruct/moments.h"
#include "runtime/isa.h"
#include "runtime/native/statistics.h"

namespace edgesmith::passes::reconstruct {
namespace {

constexpr size_t kLanes = runtime::native::kStatisticsLanes;
// Places that are factored or set together, and rows swept side by side: so many that the factor, which may be larger
// than the caches, is read seldom.
constexpr size_t kPlaces = 16, kRows = 64;

// Sweeps at most kRows rows; `first_row` is the place of the first among all.
void sweep_some(std::span<const Row> rows, size_t first_row, const MomentFactor& factor, Projection& projection,
                std::span<double> output_errors) {
  const auto n = static_cast<size_t>(factor.width);
  const auto stride = static_cast<size_t>(factor.stride);
  const auto& table = runtime::native::statistics_table(*runtime::isa_in_use());
  const size_t lanes = (rows.size() + kLanes - 1) / kLanes * kLanes;
  std::vector<double> errors(n * lanes, 0.0), pending;  // [place][row]
  for (size_t last = n; last > 0 && !interrupted();) {
    const size_t first = (last - 1) / kPlaces * kPlaces;
    // From the places after this block, the ones set first coming first.
    pending.assign((last - first) * lanes, 0.0);
    if (last < n) {
      table.product64({.a = &factor.factor[first * stride + n - 1],
                       .a_row = factor.stride,
                       .a_k = -1,
                       .b = &errors[(n - 1) * lanes],
                       .ldb = -static_cast<int64_t>(lanes),
                       .rows = static_cast<int64_t>(last - first),
                       .k = static_cast<int64_t>(n - last),
                       .columns = static_cast<int64_t>(lanes),
                       .c = pending.data(),
                       .ldc = static_cast<int64_t>(lanes),
                       .subtract = false});
    }
    for (size_t p = last; p-- > first;) {
      const double* row = &factor.factor[p * stride];
      double* own = &pending[(p - first) * lanes];
      for (size_t k = last; --k > p;) {
        for (size_t r = 0; r < lanes; ++r) own[r] += row[k] * errors[k * lanes + r];
      }
      const auto index = static_cast<size_t>(factor.order[p]);
      for (size_t r = 0; r < rows.size(); ++r) {
        const double wanted = rows[r].wanted[index];
        const double value =
            projection.project(static_cast<int>(first_row + r), static_cast<int>(index), wanted + own[r] / row[p]);
        const double error = wanted - value;
        const double left = own[r] + row[p] * error;
        output_errors[r] += left * left;
        rows[r].result[index] = value;
        errors[p * lanes + r] = error;
      }
    }
    last = first;
  }
}

// Cholesky by blocks of rows: what the rows above contribute is a product of matrices, the rest goes row by row. False
// where a pivot is not above `least` and `strict`; otherwise it becomes `instead`, and its row stands alone. An
// interrupt leaves it half done.
bool factor_upper(double* u, size_t n, size_t stride, double least, double instead, bool strict) {
  const auto& table = runtime::native::statistics_table(*runtime::isa_in_use());
  for (size_t first = 0; first < n && !interrupted(); first += kPlaces) {
    const size_t last = std::min(n, first + kPlaces), column = first / kLanes * kLanes;
    const auto whole = [](size_t size) { return static_cast<int64_t>(size); };
    table.product64({.a = u + first,
                     .a_row = 1,
                     .a_k = whole(stride),
                     .b = u + column,
                     .ldb = whole(stride),
                     .rows = whole(last - first),
                     .k = whole(first),
                     .columns = whole(stride - column),
                     .c = u + first * stride + column,
                     .ldc = whole(stride),
                     .subtract = true});
    for (size_t p = first; p < last; ++p) {
      double* row = u + p * stride;
      for (size_t k = first; k < p; ++k) {
        const double* above = u + k * stride;
        const double left = above[p];
        for (size_t q = p; q < n; ++q) row[q] -= left * above[q];
      }
      if (row[p] > least) {
        row[p] = std::sqrt(row[p]);
        for (size_t q = p + 1; q < n; ++q) row[q] /= row[p];
      } else if (strict) {
        return false;
      } else {  // rounding alone: divided by next to nothing, what is left of the rows after it would grow without
                // bounds
        row[p] = std::sqrt(instead);
        std::fill(row + p + 1, row + n, 0.0);
      }
    }
  }
  return true;
}

}  // namespace

MomentFactor factor_moments(std::span<const double> moments, int width, double damping) {
  const auto n = static_cast<size_t>(width);
  EDGESMITH_CHECK(moments.size() == n * n);
  MomentFactor result{.width = width, .order = std::vector<int>(n)};
  std::iota(result.order.begin(), result.order.end(), 0);
  std::vector<double> squares(n);  // side by side, for the sort
  for (size_t i = 0; i < n; ++i) squares[i] = moments[i * (n + 1)];
  const auto diagonal_of = [&](int i) { return squares[static_cast<size_t>(i)]; };
  std::stable_sort(result.order.begin(), result.order.end(),
                   [&](int a, int b) { return diagonal_of(a) > diagonal_of(b); });
  std::reverse(result.order.begin(), result.order.end());
  double diagonal = 0;
  for (const double square : squares) diagonal += square;
  const double added = diagonal > 0 ? damping * diagonal / static_cast<double>(n) : 1.0;
  const double largest = n > 0 ? diagonal_of(result.order.back()) + added : 0;
  const size_t stride = (n + kLanes - 1) / kLanes * kLanes;
  result.stride = static_cast<int64_t>(stride);
  for (double more = 0;; more = next_damping(added, more)) {
    result.added = added + more;
    result.factor.assign(n * stride, 0.0);
    double* u = result.factor.data();
    for (size_t p = 0; p < n; ++p) {
      const double* row = &moments[static_cast<size_t>(result.order[p]) * n];
      for (size_t q = p; q < n; ++q) u[p * stride + q] = row[static_cast<size_t>(result.order[q])];
      u[p * stride + p] += result.added;
    }
    const bool strict = added > 0 && more < largest;
    if (factor_upper(u, n, stride, smallest_pivot(largest, result.added), added > 0 ? added : largest, strict)) break;
  }
  return result;
}

std::vector<double> sweep(std::span<const Row> rows, const MomentFactor& factor, Projection& projection,
                          ThreadPool* pool) {
  std::vector<double> output_errors(rows.size(), 0.0);
  const auto some = [&](int64_t part, int) {
    const size_t first = static_cast<size_t>(part) * kRows, count = std::min(kRows, rows.size() - first);
    sweep_some(rows.subspan(first, count), first, factor, projection, std::span(output_errors).subspan(first, count));
  };
  const auto parts = static_cast<int64_t>((rows.size() + kRows - 1) / kRows);
  if (pool != nullptr) {
    pool->parallel_for(parts, some);
  } else {
    for (int64_t part = 0; part < parts; ++part) some(part, 0);
  }
  return output_errors;
}

bool descend(const Row& row_of_weights, std::span<const double> moments, Projection& projection, int row) {
  return descend_row(row_of_weights, moments, [&](size_t k, double best, double) {
    return std::optional(Proposal{projection.project(row, static_cast<int>(k), best)});
  });
}

}  // namespace edgesmith::passes::reconstruct
