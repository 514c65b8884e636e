// SPDX-License-Identifier: Apache-2.0
// blackman_window: the Blackman window (taper.h). Any number type.
#include "ops/facts.h"
#include "ops/gradient_rules.h"
#include "ops/taper.h"

namespace edgesmith::ops::blackman_window_op {
namespace {

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  return evaluate_taper(node, inputs, 0.42, 0.5, 0.08);
}

}  // namespace

extern const OpInfo blackman_window_info = {.kind = ir::OpKind::blackman_window,
                                            .min_inputs = 1,
                                            .max_inputs = 1,
                                            .min_outputs = 1,
                                            .max_outputs = 1,
                                            .verify = verify_taper,
                                            .infer = infer_taper,
                                            .eval = eval,
                                            .cost = no_cost,
                                            .quant = nullptr,
                                            .no_gradient = kShapeCode};

}  // namespace edgesmith::ops::blackman_window_op
