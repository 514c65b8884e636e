// SPDX-License-Identifier: Apache-2.0
// Decompositions of square float matrices, row-major. Compiled once, as matrix_product.h.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace edgesmith::ops {

/// The eigenvectors of a symmetric matrix [size, size] as columns, that of the largest eigenvalue first.
std::vector<float> eigenvectors(std::span<const float> symmetric, int64_t size);
/// Orthonormal columns that span, in order, what the columns of a matrix [size, size] span (Householder QR).
std::vector<float> orthonormal_columns(std::span<const float> matrix, int64_t size);

}  // namespace edgesmith::ops
