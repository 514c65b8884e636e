// SPDX-License-Identifier: Apache-2.0
// gru of float32 sequences: gates z, r and the candidate g; h = g + z (h - g).
#include "runtime/native/kernels.h"
#include "runtime/native/recurrent_row.h"

namespace edgesmith::runtime::native {
namespace {

// Whether r gates R h + its bias, not h.
bool linear(const ir::Node& node) { return node.attributes().get_int("linear_before_reset", 0) != 0; }

void run(const ir::Node& node, const CellStep& s) {
  const int64_t n = s.hidden;
  const bool late = linear(node);
  multiply_states(s, s.h, s.weights.of_h, 2 * n, nullptr, s.gates, 3 * n);
  for (int64_t r = 0; r < s.rows; ++r) {
    float* gates = s.gates + r * 3 * n;
    s.table.add_into(s.of_x + r * s.x_step, gates, 2 * n);
    s.table.unary(Unary::sigmoid, gates, 0, gates, 2 * n, {});
    if (!late) s.table.binary(Binary::mul, gates + n, 1, s.h + r * n, 1, s.others + r * n, n, {});
  }
  const float* bias = late && !s.weights.bias_apart.empty() ? s.weights.bias_apart.data() : nullptr;
  multiply_states(s, late ? s.h : s.others, s.weights.apart, n, bias, s.gates + 2 * n, 3 * n);
  for (int64_t r = 0; r < s.rows; ++r) {
    float *gates = s.gates + r * 3 * n, *candidate = gates + 2 * n, *h = s.h + r * n;
    if (late) s.table.binary(Binary::mul, gates + n, 1, candidate, 1, candidate, n, {});
    s.table.add_into(s.of_x + r * s.x_step + 2 * n, candidate, n);
    s.table.unary(Unary::tanh, candidate, 0, candidate, n, {});
    s.table.binary(Binary::sub, h, 1, candidate, 1, h, n, {});
    s.table.binary(Binary::mul, gates, 1, h, 1, h, n, {});
    s.table.add_into(candidate, h, n);
  }
}

const RecurrentCell& cell() {
  static const RecurrentCell kCell = {
      .gates = 3, .gates_of_h = 2, .activations = {"Sigmoid", "Tanh"}, .bias_apart = linear, .run = run};
  return kCell;
}

}  // namespace

const Kernel kGruF32 = recurrent_row<cell>("gru_f32", ir::OpKind::gru);

}  // namespace edgesmith::runtime::native
