// SPDX-License-Identifier: Apache-2.0
// det_gradient: dy times the cofactors of every matrix [..., M, M] of x: the gradient of its determinant (Jacobi 1841),
// also where it is singular. A part of training graphs; not in ONNX.
//
// Operands: x, dy [...]. In f64, in M^3 steps. f32, f64; f16 and bf16 through f32.
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/elements.h"
#include "ops/gradient_rules.h"

namespace edgesmith::ops::det_gradient_op {
namespace {

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(no_attributes(node));
  return check_same_dtype(node, {0, 1});
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext&) { return std::vector{node.input(0)->type()}; }

// A square matrix whose rows and columns are put into the order of their pivots.
struct Pivoted {
  size_t n;
  std::vector<double> a;
  std::vector<size_t> rows, columns;
  double product = 1;  // of the pivots, with the sign of both orders

  // The largest element at or behind k becomes the pivot at k. False when they are all 0.
  bool take_pivot(size_t k) {
    size_t row = k, column = k;
    for (size_t i = k; i < n; ++i) {
      for (size_t j = k; j < n; ++j) {
        if (std::fabs(a[i * n + j]) > std::fabs(a[row * n + column])) row = i, column = j;
      }
    }
    if (a[row * n + column] == 0) return false;
    if (row != k) {
      for (size_t j = 0; j < n; ++j) std::swap(a[k * n + j], a[row * n + j]);
      std::swap(rows[k], rows[row]);
      product = -product;
    }
    if (column != k) {
      for (size_t i = 0; i < n; ++i) std::swap(a[i * n + k], a[i * n + column]);
      std::swap(columns[k], columns[column]);
      product = -product;
    }
    product *= a[k * n + k];
    return true;
  }

  // Exchanges row and column k: the matrix of the equations y = A x, solved for x_k in place of y_k.
  void exchange(size_t k) {
    const double pivot = a[k * n + k];
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = 0; i != k && j < n; ++j) {
        if (j != k) a[i * n + j] -= a[i * n + k] * a[k * n + j] / pivot;
      }
    }
    for (size_t i = 0; i < n; ++i) {
      if (i == k) continue;
      a[k * n + i] /= pivot;
      a[i * n + k] /= -pivot;
    }
    a[k * n + k] = 1 / pivot;
  }
};

// The cofactors of a matrix. With all pivots but the last one exchanged, [[A, b], [c, d]] has become
// [[A^-1, A^-1 b], [-c A^-1, e]], e = d - c A^-1 b, and the adjugate follows without dividing by e, which is 0 for a
// singular matrix:
//
//   det(A) [[e A^-1 + A^-1 b c A^-1, -A^-1 b], [-c A^-1, 1]]
std::vector<double> cofactors(const std::vector<double>& matrix, size_t n) {
  std::vector<double> result(n * n, 0);
  if (n == 0) return result;
  Pivoted m{n, matrix, std::vector<size_t>(n), std::vector<size_t>(n)};
  std::iota(m.rows.begin(), m.rows.end(), size_t{0});
  std::iota(m.columns.begin(), m.columns.end(), size_t{0});
  for (size_t k = 0; k + 1 < n; ++k) {
    if (!m.take_pivot(k)) return result;  // two rows depend on the others: every minor is 0
    m.exchange(k);
  }
  const size_t last = n - 1;
  const double e = m.a[last * n + last];
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j < n; ++j) {
      double adjugate = 1;
      if (i < last && j < last) {
        adjugate = e * m.a[i * n + j] - m.a[i * n + last] * m.a[last * n + j];
      } else if (i < last) {
        adjugate = -m.a[i * n + last];
      } else if (j < last) {
        adjugate = m.a[last * n + j];
      }
      result[m.rows[j] * n + m.columns[i]] = m.product * adjugate;
    }
  }
  return result;
}

Result<std::vector<ir::Tensor>> eval(const ir::Node&, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor &x = *inputs[0], &dy = *inputs[1];
  const ir::Dims& dims = x.dims();
  if (dims.size() < 2 || dims[dims.size() - 1] != dims[dims.size() - 2] ||
      dy.dims() != ir::Dims(dims.begin(), dims.end() - 2) || dy.dtype() != x.dtype()) {
    return invalid_error("x is " + x.type().text() + ", the gradient " + dy.type().text());
  }
  auto dx = make_tensor(x.dtype(), dims);
  if (!dx) return dx.error();
  return dispatch(FloatTypes{}, x.dtype(), [&]<typename T>() -> Result<std::vector<ir::Tensor>> {
    const auto n = static_cast<size_t>(dims.back());
    const T* from = x.data<T>().data();
    T* to = dx->mutable_data<T>().data();
    for (const T own : dy.data<T>()) {
      for (const double cofactor : cofactors(std::vector<double>(from, from + n * n), n)) {
        *to++ = static_cast<T>(cofactor * static_cast<double>(own));
      }
      from += n * n;
    }
    return std::vector{std::move(*dx)};
  });
}

}  // namespace

extern const OpInfo det_gradient_info = {.kind = ir::OpKind::det_gradient,
                                         .min_inputs = 2,
                                         .max_inputs = 2,
                                         .min_outputs = 1,
                                         .max_outputs = 1,
                                         .verify = verify,
                                         .infer = infer,
                                         .eval = half_as_float<eval>,
                                         .cost = nullptr,
                                         .quant = nullptr,
                                         .no_gradient = kSecondDerivative};

}  // namespace edgesmith::ops::det_gradient_op
