// SPDX-License-Identifier: Apache-2.0
// average_pool_gradient: every element of dy [N, C, output...], divided by what its window divides by, is added to each
// element of dx [N, C, spatial...] in the window: the transpose of average_pool as a linear map. A part of training
// graphs; not in ONNX.
//
// Operands: dy, shape (i64 vector: the dims of dx). Attributes: those of average_pool, and sum = 1: nothing is divided
// (the window adds up, as lp_pool's does). f32, f64; f16 and bf16 through f32.
#include "ops/dispatch.h"
#include "ops/operands.h"
#include "ops/pool.h"

namespace edgesmith::ops::average_pool_gradient_op {
namespace {

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(verify_pool(node, {{"count_include_pad", AttributeKind::integer}, {"sum", AttributeKind::integer}}));
  EDGESMITH_TRY(check_flag(node, "sum"));
  return check_flag(node, "count_include_pad");
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext& context) {
  return std::vector{ir::Type{node.input(0)->type().dtype, contents_or_unknowns(node, 1, context)}};
}

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor& dy = *inputs[0];
  const auto dims = read_ints(*inputs[1], "shape");
  if (!dims) return dims.error();
  auto dx = make_tensor(dy.dtype(), *dims);
  if (!dx) return dx.error();
  const auto window = pool_window(node, *dx);
  if (!window) return window.error();
  EDGESMITH_TRY(check_pooled(dy, pooled_dims(*dx, *window), dy.dtype()));
  const bool count_pads = node.attributes().get_int("count_include_pad", 0) != 0;
  const bool sum = node.attributes().get_int("sum", 0) != 0;
  return dispatch(FloatTypes{}, dy.dtype(), [&]<typename T>() -> Result<std::vector<ir::Tensor>> {
    const T* from = dy.data<T>().data();
    T* to = dx->mutable_data<T>().data();
    const int64_t planes = (*dims)[0] * (*dims)[1], size = ir::num_elements(window->input);
    const int64_t outputs = planes == 0 ? 0 : ir::num_elements(window->output);
    Taps taps;
    for (int64_t o = 0; o < outputs; ++o) {
      find_taps(*window, o, taps);
      const int64_t count = sum ? 1 : count_pads ? taps.padded_count : static_cast<int64_t>(taps.positions.size());
      for (int64_t plane = 0; plane < planes; ++plane) {
        const T share = count == 0 ? T{0} : from[plane * outputs + o] / static_cast<T>(count);
        for (const int64_t position : taps.positions) to[plane * size + position] += share;
      }
    }
    return std::vector{std::move(*dx)};
  });
}

}  // namespace

extern const OpInfo average_pool_gradient_info = {.kind = ir::OpKind::average_pool_gradient,
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

}  // namespace edgesmith::ops::average_pool_gradient_op
