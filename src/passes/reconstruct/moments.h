// SPDX-License-Identifier: Apache-2.0
// Symmetric positive definite matrices, as small as a layer's inputs: solving and inverting by Cholesky factors.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace edgesmith::passes::reconstruct {

/// Adds `share` of the mean of the diagonal to it (1 where the diagonal is zero): inputs that are always zero, or known
/// from too few samples, become regular.
void damp(std::span<double> matrix, size_t n, double share);
/// What damp() added to the diagonal of this damped `matrix`.
double damping_of(std::span<const double> matrix, size_t n, double share);
/// The lower Cholesky factor in place of the lower triangle of `matrix` [n, n]; what lies above means nothing then.
/// Pivots up to `least` count as rounding: they become large and their rows zeros, which takes the input out.
void factor(std::span<double> matrix, size_t n, double least = 0);
/// x in place of `b`, for the factor of the matrix.
void solve(std::span<const double> factor, size_t n, std::span<double> b);
/// The inverse of `matrix`, symmetric.
std::vector<double> inverse(std::vector<double> matrix, size_t n);

}  // namespace edgesmith::passes::reconstruct
