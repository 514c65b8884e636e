// SPDX-License-Identifier: Apache-2.0
// Matrix products of any element type through Eigen: row-major views, and the products themselves (integers wrap
// around, as numpy's do).
#pragma once

#include <Eigen/Core>
#include <type_traits>

#include "ops/dispatch.h"

namespace edgesmith::ops {

/// Element types that products run on; smaller integers have no ONNX product.
using MatrixTypes = Types<float, double, int32_t, int64_t, uint32_t, uint64_t>;

template <typename T>
using RowMajor = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// The type to compute in: unsigned for integers, so that overflow is defined; the bits are the same.
template <typename T, bool = std::is_integral_v<T>>
struct ProductTypeOf {
  using type = T;
};
template <typename T>
struct ProductTypeOf<T, true> {
  using type = std::make_unsigned_t<T>;
};
template <typename T>
using ProductType = typename ProductTypeOf<T>::type;

/// Views of `data` as a matrix of the type to compute in.
template <typename T>
Eigen::Map<const RowMajor<ProductType<T>>> matrix_view(const T* data, int64_t rows, int64_t cols) {
  return {reinterpret_cast<const ProductType<T>*>(data), rows, cols};
}
template <typename T>
Eigen::Map<RowMajor<ProductType<T>>> matrix_view(T* data, int64_t rows, int64_t cols) {
  return {reinterpret_cast<ProductType<T>*>(data), rows, cols};
}

}  // namespace edgesmith::ops
