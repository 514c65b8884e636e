// SPDX-License-Identifier: Apache-2.0
#include "ops/orthonormal.h"

#include <Eigen/Core>
#include <Eigen/Eigenvalues>
#include <Eigen/QR>

namespace edgesmith::ops {
namespace {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

Eigen::Map<const Matrix> view(std::span<const float> numbers, int64_t size) { return {numbers.data(), size, size}; }

template <typename Expression>
std::vector<float> numbers_of(const Expression& expression, int64_t size) {
  std::vector<float> numbers(static_cast<size_t>(size * size));
  Eigen::Map<Matrix>(numbers.data(), size, size) = expression;
  return numbers;
}

}  // namespace

std::vector<float> eigenvectors(std::span<const float> symmetric, int64_t size) {
  if (size == 0) return {};
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXf> solver(view(symmetric, size));
  return numbers_of(solver.eigenvectors().rowwise().reverse(), size);
}

std::vector<float> orthonormal_columns(std::span<const float> matrix, int64_t size) {
  if (size == 0) return {};
  const Eigen::HouseholderQR<Eigen::MatrixXf> qr(view(matrix, size));
  return numbers_of(qr.householderQ() * Eigen::MatrixXf::Identity(size, size), size);
}

}  // namespace edgesmith::ops
