// SPDX-License-Identifier: Apache-2.0
#include "ops/matrix_product.h"

#include <Eigen/Core>

namespace edgesmith::ops {
namespace {

template <typename T>
using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

template <typename T>
Eigen::Map<const Matrix<T>, 0, Eigen::OuterStride<>> map_of(const MatrixView<T>& view) {
  return {view.data, view.rows, view.cols, Eigen::OuterStride<>(view.stride)};
}

template <typename T>
void add_float_product(const MatrixView<T>& a, const MatrixView<T>& b, Eigen::Map<Matrix<T>> y) {
  const auto left = map_of(a), right = map_of(b);
  if (a.transposed && b.transposed) {
    y.noalias() += left.transpose() * right.transpose();
  } else if (a.transposed) {
    y.noalias() += left.transpose() * right;
  } else if (b.transposed) {
    y.noalias() += left * right.transpose();
  } else {
    y.noalias() += left * right;
  }
}

template <typename T>
void add_integer_product(const MatrixView<T>& a, const MatrixView<T>& b, T* y, int64_t rows, int64_t inner,
                         int64_t cols) {
  using Unsigned = typename UnsignedIfInteger<T>::type;
  const auto at = [](const MatrixView<T>& m, int64_t i, int64_t j) {
    return static_cast<Unsigned>(m.transposed ? m.data[j * m.stride + i] : m.data[i * m.stride + j]);
  };
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < cols; ++j) {
      auto sum = static_cast<Unsigned>(y[i * cols + j]);
      for (int64_t k = 0; k < inner; ++k) sum += at(a, i, k) * at(b, k, j);
      y[i * cols + j] = static_cast<T>(sum);
    }
  }
}

}  // namespace

template <typename T>
void add_product(const MatrixView<T>& a, const MatrixView<T>& b, T* y) {
  const int64_t rows = a.transposed ? a.cols : a.rows, inner = a.transposed ? a.rows : a.cols;
  const int64_t cols = b.transposed ? b.rows : b.cols;
  if constexpr (std::is_floating_point_v<T>) {
    if (rows > 0 && inner > 0 && cols > 0) add_float_product(a, b, Eigen::Map<Matrix<T>>(y, rows, cols));
  } else {
    add_integer_product(a, b, y, rows, inner, cols);
  }
}

template void add_product(const MatrixView<float>&, const MatrixView<float>&, float*);
template void add_product(const MatrixView<double>&, const MatrixView<double>&, double*);
template void add_product(const MatrixView<int32_t>&, const MatrixView<int32_t>&, int32_t*);
template void add_product(const MatrixView<int64_t>&, const MatrixView<int64_t>&, int64_t*);
template void add_product(const MatrixView<uint32_t>&, const MatrixView<uint32_t>&, uint32_t*);
template void add_product(const MatrixView<uint64_t>&, const MatrixView<uint64_t>&, uint64_t*);

}  // namespace edgesmith::ops
