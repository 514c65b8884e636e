// SPDX-License-Identifier: Apache-2.0
// Symmetric positive definite matrices, as small as a layer's inputs: solving and inverting by Cholesky factors.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace edgesmith::passes::reconstruct {

/// Adds `share` of the mean of the diagonal to it (1 where the diagonal is zero): inputs that are always zero, or known
/// from too few samples, become regular. Returns what was added.
double damp(std::span<double> matrix, size_t n, double share);

/// The same, and as much again and again until the matrix has a Cholesky factor without pivots that are too small.
double damp_until_definite(std::span<double> matrix, size_t n, double share);

/// A damped matrix and what was added to its diagonal.
struct Damped {
  std::span<const double> matrix;  ///< [n, n]
  double added = 0;
};

/// Pivots of a Cholesky factor that are not above this are rounding: none is below what was added to the diagonal (0:
/// not known). `largest` element of the diagonal.
double smallest_pivot(double largest, double added);
/// What to add next to a diagonal that has `added` and `more` on it, where pivots are too small all the same: sums of
/// floats are off by more than was added, as those of inputs that hardly vary around large means. Twice as much in all.
double next_damping(double added, double more);
/// The lower Cholesky factor in place of the lower triangle of `matrix` [n, n]; what lies above stays. `added` to its
/// diagonal, as far as known: then the factor is that of the matrix with as much more on its diagonal as it takes for
/// pivots that are not too small. Returns how much more.
double factor(std::span<double> matrix, size_t n, double added = 0);
/// x in place of `b`, for the factor of the matrix.
void solve(std::span<const double> factor, size_t n, std::span<double> b);
/// The inverse of `matrix`, symmetric.
std::vector<double> inverse(std::vector<double> matrix, size_t n);

}  // namespace edgesmith::passes::reconstruct
