// SPDX-License-Identifier: Apache-2.0
// log_softmax: y = x - max - log(sum of exp(x - max)) along one axis (lines.h says which). f32, f64; f16 and bf16
// through f32.
#include <algorithm>
#include <cmath>

#include "ops/gradient_rules.h"
#include "ops/lines.h"
#include "ops/slices.h"

namespace edgesmith::ops::log_softmax_op {
namespace {

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  return map_lines(node, *inputs[0], []<typename T>(const T* x, T* y, int64_t length, int64_t step) {
    T largest = x[0];
    for (int64_t i = 1; i < length; ++i) largest = std::max(largest, x[i * step]);
    T sum{0};
    for (int64_t i = 0; i < length; ++i) sum += std::exp(x[i * step] - largest);
    const T log_sum = std::log(sum);
    for (int64_t i = 0; i < length; ++i) y[i * step] = x[i * step] - largest - log_sum;
  });
}

std::optional<ChannelRelation> channels(const ir::Node& node, int axis) { return slices_beside_lines(node, axis); }

// dx = dy - exp(y) * sum of dy along the line.
Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  const Term dy = build.term(*outputs[0], node.output().type().dtype), y = build.term(node.output());
  return std::vector{(dy - exp(y) * reduce_sum(dy, line_axes(node), /*keep_dims=*/true)).value};
}

}  // namespace

extern const OpInfo log_softmax_info = {.kind = ir::OpKind::log_softmax,
                                        .min_inputs = 1,
                                        .max_inputs = 1,
                                        .min_outputs = 1,
                                        .max_outputs = 1,
                                        .verify = verify_lines,
                                        .infer = infer_lines,
                                        .eval = half_as_float<eval>,
                                        .cost = nullptr,
                                        .quant = nullptr,
                                        .channels = channels,
                                        .gradient = gradient};

}  // namespace edgesmith::ops::log_softmax_op
