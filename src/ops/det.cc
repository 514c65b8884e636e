// SPDX-License-Identifier: Apache-2.0
// det: the determinant of every matrix [..., M, M] of x, by elimination with partial pivoting in f64. f32, f64; f16
// and bf16 through f32.
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/elements.h"
#include "ops/facts.h"
#include "ops/gradient_rules.h"

namespace edgesmith::ops::det_op {
namespace {

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext&) {
  ir::Type type = node.input(0)->type();
  if (!type.shape) return std::vector{type};
  if (type.shape->size() < 2) return invalid_error("x is " + type.text() + ", needs two dims or more");
  type.shape->resize(type.shape->size() - 2);
  return std::vector{type};
}

double determinant(std::vector<double> a, size_t n) {
  double result = 1;
  for (size_t k = 0; k < n; ++k) {
    size_t pivot = k;
    for (size_t i = k + 1; i < n; ++i) {
      if (std::fabs(a[i * n + k]) > std::fabs(a[pivot * n + k])) pivot = i;
    }
    if (a[pivot * n + k] == 0) return 0;
    if (pivot != k) {
      for (size_t j = 0; j < n; ++j) std::swap(a[k * n + j], a[pivot * n + j]);
      result = -result;
    }
    result *= a[k * n + k];
    for (size_t i = k + 1; i < n; ++i) {
      const double factor = a[i * n + k] / a[k * n + k];
      for (size_t j = k; j < n; ++j) a[i * n + j] -= factor * a[k * n + j];
    }
  }
  return result;
}

Result<std::vector<ir::Tensor>> eval(const ir::Node&, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor& x = *inputs[0];
  const ir::Dims& dims = x.dims();
  if (dims.size() < 2 || dims[dims.size() - 1] != dims[dims.size() - 2]) {
    return invalid_error("x is " + x.type().text() + ", its last two dims must be equal");
  }
  const auto n = static_cast<size_t>(dims.back());
  auto y = make_tensor(x.dtype(), ir::Dims(dims.begin(), dims.end() - 2));
  if (!y) return y.error();
  return dispatch(FloatTypes{}, x.dtype(), [&]<typename T>() -> Result<std::vector<ir::Tensor>> {
    const auto from = x.data<T>();
    const auto to = y->mutable_data<T>();
    for (size_t m = 0; m < to.size(); ++m) {
      const T* matrix = from.data() + m * n * n;
      to[m] = static_cast<T>(determinant(std::vector<double>(matrix, matrix + n * n), n));
    }
    return std::vector{std::move(*y)};
  });
}

Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  return std::vector{&build.append(ir::OpKind::det_gradient, {node.input(0), outputs[0]})};
}

}  // namespace

extern const OpInfo det_info = {.kind = ir::OpKind::det,
                                .min_inputs = 1,
                                .max_inputs = 1,
                                .min_outputs = 1,
                                .max_outputs = 1,
                                .verify = no_attributes,
                                .infer = infer,
                                .eval = half_as_float<eval>,
                                .cost = nullptr,
                                .quant = nullptr,
                                .gradient = gradient};

}  // namespace edgesmith::ops::det_op
