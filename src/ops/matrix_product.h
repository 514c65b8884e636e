// SPDX-License-Identifier: Apache-2.0
// The matrix product that Conv, ConvTranspose, Gemm and MatMul share. Compiled once (Eigen's is slow to compile).
#pragma once

#include <cstdint>
#include <type_traits>

#include "ops/dispatch.h"

namespace edgesmith::ops {

/// Element types that products run on; smaller integers have no ONNX product.
using MatrixTypes = Types<float, double, int32_t, int64_t, uint32_t, uint64_t>;

/// The type to compute in: unsigned for integers, so that overflow is defined; the bits are the same.
template <typename T, bool = std::is_integral_v<T>>
struct UnsignedIfInteger {
  using type = T;
};
template <typename T>
struct UnsignedIfInteger<T, true> {
  using type = std::make_unsigned_t<T>;
};

/// A row-major matrix [rows, cols] whose rows lie `stride` elements apart, read as it is or transposed.
template <typename T>
struct MatrixView {
  const T* data;
  int64_t rows, cols;
  int64_t stride;
  bool transposed = false;
};

/// y [M, N] (row-major, dense) += a * b, with a [M, K] and b [K, N] after their transpositions. Floats go through
/// Eigen; integers wrap around, as numpy's do.
template <typename T>
void add_product(const MatrixView<T>& a, const MatrixView<T>& b, T* y);

}  // namespace edgesmith::ops
