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

/// A damped matrix and what was added to its diagonal.
struct Damped {
  std::span<const double> matrix;  ///< [n, n]
  double added = 0;
};

/// Pivots of a Cholesky factor that are not above this are rounding: none is below what was added to the diagonal (0:
/// not known). `largest` element of the diagonal.
double smallest_pivot(double largest, double added);
/// The lower Cholesky factor in place of the lower triangle of `matrix` [n, n]; what lies above means nothing then.
/// `added` to its diagonal, as far as known.
void factor(std::span<double> matrix, size_t n, double added = 0);
/// x in place of `b`, for the factor of the matrix.
void solve(std::span<const double> factor, size_t n, std::span<double> b);
/// The inverse of `matrix`, symmetric.
std::vector<double> inverse(std::vector<double> matrix, size_t n);

}  // namespace edgesmith::passes::reconstruct
