// SPDX-License-Identifier: Apache-2.0
// rnn: h = f(W x + R h + biases), f = Tanh by default; recurrent.h says what operands and attributes mean.
#include <algorithm>
#include <vector>

#include "ops/dispatch.h"
#include "ops/gradient_rules.h"
#include "ops/recurrent.h"

namespace edgesmith::ops::rnn_op {
namespace {

const RecurrentForm kForm = {.gates = 1, .states = 1, .activations = {"Tanh"}};

Status verify(const ir::Node& node) { return verify_recurrent(node, kForm, "hidden_size"); }
Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext&) { return infer_recurrent(node, kForm); }
Cost cost(const ir::Node& node) { return recurrent_cost(node, kForm); }

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  return run_recurrent(node, inputs, kForm, [&](const CellInputs& in, double* h, double* c) {
    (void)c;
    std::vector<double> next(static_cast<size_t>(in.hidden));
    for (int64_t i = 0; i < in.hidden; ++i) {
      next[static_cast<size_t>(i)] = in.activations[0](in.clip(in.of_x[i] + in.bias_of_r[i] + in.product(i, h)));
    }
    std::copy(next.begin(), next.end(), h);
  });
}

}  // namespace

extern const OpInfo rnn_info = {.kind = ir::OpKind::rnn,
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

}  // namespace edgesmith::ops::rnn_op
