// SPDX-License-Identifier: Apache-2.0
// softmax: y = exp(x - max) / sum of exp(x - max) along one axis (lines.h says which). Results lie in [0, 1]. f32, f64;
// f16 and bf16 through f32.
#include <algorithm>
#include <cmath>

#include "ops/facts.h"
#include "ops/gradient_rules.h"
#include "ops/lines.h"
#include "ops/slices.h"

namespace edgesmith::ops::softmax_op {
namespace {

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  return map_lines(node, *inputs[0], []<typename T>(const T* x, T* y, int64_t length, int64_t step) {
    T largest = x[0];
    for (int64_t i = 1; i < length; ++i) largest = std::max(largest, x[i * step]);
    T sum{0};
    for (int64_t i = 0; i < length; ++i) sum += y[i * step] = std::exp(x[i * step] - largest);
    for (int64_t i = 0; i < length; ++i) y[i * step] /= sum;
  });
}

std::optional<ChannelRelation> channels(const ir::Node& node, int axis) { return slices_beside_lines(node, axis); }

// dx = y * (dy - sum of dy * y along the line).
Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  const Term dy = build.term(*outputs[0], node.output().type().dtype), y = build.term(node.output());
  const Term weighted = dy * y;
  return std::vector{(weighted - y * reduce_sum(weighted, line_axes(node), /*keep_dims=*/true)).value};
}

}  // namespace

extern const OpInfo softmax_info = {.kind = ir::OpKind::softmax,
                                    .min_inputs = 1,
                                    .max_inputs = 1,
                                    .min_outputs = 1,
                                    .max_outputs = 1,
                                    .verify = verify_lines,
                                    .infer = infer_lines,
                                    .eval = half_as_float<eval>,
                                    .cost = nullptr,
                                    .quant = fixed_range<0, 1>,
                                    .channels = channels,
                                    .gradient = gradient};

}  // namespace edgesmith::ops::softmax_op
