// SPDX-License-Identifier: Apache-2.0
// The one engine of reconstruction: weights become what is allowed, one column after another, and those that are still
// free make up for it.
//
// A row is the weights of one output. For weights v instead of w its output error is (w - v)' H (w - v), H the second
// moments of its inputs. With H = U'U it is |U (w - v)|^2, whose element p holds w_p - v_p .. w_last - v_last only:
// from the last place to the first, the value that cancels element p is handed to a projection, which answers with one
// that is allowed. That is what GPTQ (Frantar et al. 2022, "GPTQ: accurate post-training quantization", section 3) and
// SparseGPT (Frantar and Alistarh 2023) compute with the inverse of H, written as Babai's nearest plane: no inverse,
// and blocks of columns are products of matrices. Which weights come first is GPTQ's "act-order".
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "edgesmith/base/thread_pool.h"

namespace edgesmith::passes::reconstruct {

/// Second moments of the inputs of a row's weights: upper triangular U, row-major [width, stride], with U^T U =
/// E[x x^T] (plus damping), in the reversed order in which the weights are set.
struct MomentFactor {
  int width = 0;
  int64_t stride = 0;          ///< of the rows
  std::vector<int> order;      ///< order[p]: which weight stands at place p; the last place is set first
  std::vector<double> factor;  ///< U; what lies under the diagonal means nothing
  double added = 0;            ///< to the diagonal
};

/// Factors the moments, which are symmetric [width, width]. Weights whose inputs matter most are set first. Inputs that
/// are always zero, and moments estimated from few samples, are made regular by adding `damping` times the mean of the
/// diagonal to it, and as much again and again where that is less than what the sums are off by.
MomentFactor factor_moments(std::span<const double> moments, int width, double damping = 0.01);

/// What weights may become: a mask, an integer grid, a codebook.
class Projection {
 public:
  virtual ~Projection() = default;
  /// The allowed value for weight `column` of row `row` (places in `rows` and in the moments) when `value` would be
  /// best. Called once for every weight, the columns of a row in the factor's order; rows come side by side, on several
  /// threads. The choice adds (U_pp (value - result))^2 to the row's output error, p being the column's place.
  virtual double project(int row, int column, double value) = 0;
};

/// The weights of one output that are wanted, and where the allowed ones go; both [width], and they may be the same.
struct Row {
  std::span<const double> wanted;
  std::span<double> result;
};

/// Sets all rows, which do not depend on each other. Returns the output error |U (wanted - result)|^2 of every row.
/// `pool`: threads to spread the rows over; null: this thread. The result does not depend on it.
std::vector<double> sweep(std::span<const Row> rows, const MomentFactor& factor, Projection& projection,
                          ThreadPool* pool = nullptr);

/// One round of coordinate descent after a sweep, row by row: every weight in turn becomes the allowed value nearest to
/// the one that is best beside the others, where that lowers the row's output error. `moments` [width, width] are those
/// that were factored, damped alike. The projection must depend on its arguments alone. `row`: what it is called with.
/// Returns whether a weight changed.
bool descend(const Row& row_of_weights, std::span<const double> moments, Projection& projection, int row);

}  // namespace edgesmith::passes::reconstruct
