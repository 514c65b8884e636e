// SPDX-License-Identifier: Apache-2.0
// max_pool_gradient: every element of dy [N, C, output...] is added to the element of dx that won its window of x [N,
// C, spatial...]: the first largest one. A part of training graphs; not in ONNX.
//
// Operands: x, dy. Attributes: those of max_pool without storage_order. The result of a window that lies on padding
// alone moves nothing. f32, f64; f16 and bf16 through f32.
#include "ops/dispatch.h"
#include "ops/pool.h"

namespace edgesmith::ops::max_pool_gradient_op {
namespace {

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(verify_pool(node, {}));
  return check_same_dtype(node, {0, 1});
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext&) { return std::vector{node.input(0)->type()}; }

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor &x = *inputs[0], &dy = *inputs[1];
  const auto window = pool_window(node, x);
  if (!window) return window.error();
  EDGESMITH_TRY(check_pooled(dy, pooled_dims(x, *window), x.dtype()));
  auto dx = make_tensor(x.dtype(), x.dims());
  if (!dx) return dx.error();
  return dispatch(FloatTypes{}, x.dtype(), [&]<typename T>() -> Result<std::vector<ir::Tensor>> {
    const T* in = x.data<T>().data();
    const T* from = dy.data<T>().data();
    T* to = dx->mutable_data<T>().data();
    const int64_t planes = x.dims()[0] * x.dims()[1], size = ir::num_elements(window->input);
    const int64_t outputs = planes == 0 ? 0 : ir::num_elements(window->output);
    Taps taps;
    for (int64_t o = 0; o < outputs; ++o) {
      find_taps(*window, o, taps);
      for (int64_t plane = 0; plane < planes; ++plane) {
        const int64_t best = largest_of(in + plane * size, taps);
        if (best >= 0) to[plane * size + best] += from[plane * outputs + o];
      }
    }
    return std::vector{std::move(*dx)};
  });
}

}  // namespace

extern const OpInfo max_pool_gradient_info = {.kind = ir::OpKind::max_pool_gradient,
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

}  // namespace edgesmith::ops::max_pool_gradient_op
