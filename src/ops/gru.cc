// SPDX-License-Identifier: Apache-2.0
// gru: gates z, r = f(W x + R h + biases), candidate n = g(W x + R (r h) + biases), h = (1 - z) n + z h; with
// linear_before_reset = 1 (attribute) n = g(W x + r (R h + bias) + bias). f = Sigmoid, g = Tanh by default (Cho et al.
// 2014). recurrent.h says what operands and attributes mean.
#include <algorithm>
#include <vector>

#include "ops/dispatch.h"
#include "ops/gradient_rules.h"
#include "ops/recurrent.h"

namespace edgesmith::ops::gru_op {
namespace {

const RecurrentForm kForm = {.gates = 3, .states = 1, .activations = {"Sigmoid", "Tanh"}};

Status verify(const ir::Node& node) { return verify_recurrent(node, kForm, "linear_before_reset"); }
Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext&) { return infer_recurrent(node, kForm); }
Cost cost(const ir::Node& node) { return recurrent_cost(node, kForm); }

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const bool linear = node.attributes().get_int("linear_before_reset", 0) != 0;
  return run_recurrent(node, inputs, kForm, [&](const CellInputs& in, double* h, double* c) {
    (void)c;
    const int64_t n = in.hidden;
    std::vector<double> update(static_cast<size_t>(n)), reset(update), gated(update);
    for (int64_t i = 0; i < n; ++i) {
      const auto at = static_cast<size_t>(i);
      update[at] = in.activations[0](in.clip(in.of_x[i] + in.bias_of_r[i] + in.product(i, h)));
      reset[at] = in.activations[0](in.clip(in.of_x[n + i] + in.bias_of_r[n + i] + in.product(n + i, h)));
      gated[at] = reset[at] * h[i];
    }
    std::vector<double> next(update);
    for (int64_t i = 0; i < n; ++i) {
      const auto at = static_cast<size_t>(i);
      const int64_t row = 2 * n + i;
      const double of_h = linear ? reset[at] * (in.product(row, h) + in.bias_of_r[row])
                                 : in.product(row, gated.data()) + in.bias_of_r[row];
      const double candidate = in.activations[1](in.clip(in.of_x[row] + of_h));
      next[at] = (1 - update[at]) * candidate + update[at] * h[i];
    }
    std::copy(next.begin(), next.end(), h);
  });
}

}  // namespace

extern const OpInfo gru_info = {.kind = ir::OpKind::gru,
                                .min_inputs = 3,
                                .max_inputs = 6,
                                .min_outputs = 1,
                                .max_outputs = 2,
                                .verify = verify,
                                .infer = infer,
                                .eval = half_as_float<eval>,
                                .cost = cost,
                                .quant = nullptr,
                                .no_gradient = kRecurrent};

}  // namespace edgesmith::ops::gru_op
