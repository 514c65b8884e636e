// SPDX-License-Identifier: Apache-2.0
// hardmax: 1 at the first largest element along one axis (lines.h says which), 0 elsewhere. f32, f64; f16 and bf16
// through f32.
#include "ops/gradient_rules.h"
#include "ops/lines.h"

namespace edgesmith::ops::hardmax_op {
namespace {

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  return map_lines(node, *inputs[0], []<typename T>(const T* x, T* y, int64_t length, int64_t step) {
    int64_t best = 0;
    for (int64_t i = 1; i < length; ++i) {
      if (x[i * step] > x[best * step]) best = i;
    }
    y[best * step] = T{1};  // the rest is 0 already
  });
}

}  // namespace

extern const OpInfo hardmax_info = {.kind = ir::OpKind::hardmax,
                                    .min_inputs = 1,
                                    .max_inputs = 1,
                                    .min_outputs = 1,
                                    .max_outputs = 1,
                                    .verify = verify_lines,
                                    .infer = infer_lines,
                                    .eval = half_as_float<eval>,
                                    .cost = nullptr,
                                    .quant = nullptr,
                                    .no_gradient = kPiecewiseConstant};

}  // namespace edgesmith::ops::hardmax_op
