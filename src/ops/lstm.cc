// SPDX-License-Identifier: Apache-2.0
// lstm: gates i, o, f = f(W x + R h + P c + biases) (P: peepholes, operand 7 [directions, 3 * hidden]; o sees the new
// c), c = f c + i g(W x + R h + biases), h = o h(c). f = Sigmoid, g = h = Tanh by default (Hochreiter and Schmidhuber
// 1997; Gers et al. 2000). Attribute input_forget = 1: f = 1 - i. Operand 6: the initial c, output 2: the last.
// recurrent.h says what the others mean. Attribute quantized_states = 1, which ONNX lacks (a part of com.microsoft's
// DynamicQuantizeLSTM): R is multiplied with what 8-bit codes of h mean, made anew at every step over all sequences
// that had not ended a step before, as dynamic_quantize_linear makes them. So does ONNX Runtime on one thread; on
// several, each takes the range of its own sequences.
#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "ops/dispatch.h"
#include "ops/gradient_rules.h"
#include "ops/recurrent.h"

namespace edgesmith::ops::lstm_op {
namespace {

const RecurrentForm kForm = {.gates = 4, .states = 2, .activations = {"Sigmoid", "Tanh", "Tanh"}};

Status verify(const ir::Node& node) { return verify_recurrent(node, kForm, "input_forget", "quantized_states"); }
Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext&) { return infer_recurrent(node, kForm); }
Cost cost(const ir::Node& node) { return recurrent_cost(node, kForm); }

/// What 8-bit codes of the states mean, with one range for all of them.
void code(std::span<double* const> states, int64_t hidden) {
  float least = 0, largest = 0;
  for (const double* h : states) {
    for (int64_t i = 0; i < hidden; ++i) {
      least = std::min(least, static_cast<float>(h[i]));
      largest = std::max(largest, static_cast<float>(h[i]));
    }
  }
  const float scale = largest > least ? (largest - least) / 255 : 1.0F;
  const float zero = std::nearbyint(std::clamp(-least / scale, 0.0F, 255.0F));
  for (double* h : states) {
    for (int64_t i = 0; i < hidden; ++i) {
      const float steps = std::nearbyint(static_cast<float>(h[i]) / scale) + zero;
      h[i] = static_cast<double>(std::clamp(steps, 0.0F, 255.0F) - zero) * static_cast<double>(scale);
    }
  }
}

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const bool coupled = node.attributes().get_int("input_forget", 0) != 0;
  const bool coded = node.attributes().get_int("quantized_states", 0) != 0;
  const bool peeps = inputs.size() > 7 && inputs[7] != nullptr;
  std::vector<double> peepholes;
  if (peeps && inputs[7]->dtype() == ir::DType::f64) {
    const auto data = inputs[7]->data<double>();
    peepholes.assign(data.begin(), data.end());
  } else if (peeps && ir::is_float(inputs[7]->dtype())) {
    const std::vector<float> data = inputs[7]->to_floats();
    peepholes.assign(data.begin(), data.end());
  }
  const auto cell = [&](const CellInputs& in, double* h, double* c) {
    const int64_t n = in.hidden;
    const double* p = peeps ? peepholes.data() + in.direction * 3 * n : nullptr;
    const auto sum = [&](int64_t row) { return in.of_x[row] + in.bias_of_r[row] + in.product(row, in.of_r); };
    const auto peep = [&](int64_t gate, int64_t i, double state) { return p != nullptr ? p[gate * n + i] * state : 0; };
    std::vector<double> next(static_cast<size_t>(n));
    for (int64_t i = 0; i < n; ++i) {
      const double input = in.activations[0](in.clip(sum(i) + peep(0, i, c[i])));
      const double forget = coupled ? 1 - input : in.activations[0](in.clip(sum(2 * n + i) + peep(2, i, c[i])));
      const double state = forget * c[i] + input * in.activations[1](in.clip(sum(3 * n + i)));
      const double output = in.activations[0](in.clip(sum(n + i) + peep(1, i, state)));
      c[i] = state;
      next[static_cast<size_t>(i)] = output * in.activations[2](state);
    }
    std::copy(next.begin(), next.end(), h);
  };
  return run_recurrent(node, inputs, kForm, cell, coded ? CodeStates(code) : CodeStates());
}

}  // namespace

extern const OpInfo lstm_info = {.kind = ir::OpKind::lstm,
                                 .min_inputs = 3,
                                 .max_inputs = 8,
                                 .min_outputs = 1,
                                 .max_outputs = 3,
                                 .verify = verify,
                                 .infer = infer,
                                 .eval = half_as_float<eval>,
                                 .cost = cost,
                                 .quant = nullptr,
                                 .no_gradient = kRecurrent};

}  // namespace edgesmith::ops::lstm_op
