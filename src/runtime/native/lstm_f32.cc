// SPDX-License-Identifier: Apache-2.0
// lstm of float32 sequences: gates i, o, f, g; c = f c + i g, h = o tanh(c).
#include "runtime/native/kernels.h"
#include "runtime/native/recurrent_row.h"

namespace edgesmith::runtime::native {
namespace {

void run(const ir::Node&, const CellStep& s) {
  const int64_t n = s.hidden;
  multiply_states(s, s.of_r, s.weights.of_h, 4 * n, nullptr, s.gates, 4 * n);
  for (int64_t r = 0; r < s.rows; ++r) {
    float *gates = s.gates + r * 4 * n, *h = s.h + r * n, *c = s.c + r * n;
    float *input = gates, *output = gates + n, *forget = gates + 2 * n, *candidate = gates + 3 * n;
    s.table.add_into(s.of_x + r * s.x_step, gates, 4 * n);
    s.table.unary(Unary::sigmoid, gates, 0, gates, 3 * n, {});
    s.table.unary(Unary::tanh, candidate, 0, candidate, n, {});
    s.table.binary(Binary::mul, forget, 1, c, 1, c, n, {});
    s.table.binary(Binary::mul, input, 1, candidate, 1, candidate, n, {});
    s.table.add_into(candidate, c, n);
    s.table.unary(Unary::tanh, c, 0, s.spare, n, {});
    s.table.binary(Binary::mul, output, 1, s.spare, 1, h, n, {});
  }
}

const RecurrentCell& cell() {
  static const RecurrentCell kCell = {.gates = 4,
                                      .states = 2,
                                      .gates_of_h = 4,
                                      .activations = {"Sigmoid", "Tanh", "Tanh"},
                                      .coded_states = true,
                                      .run = run};
  return kCell;
}

}  // namespace

const Kernel kLstmF32 = recurrent_row<cell>("lstm_f32", ir::OpKind::lstm);

}  // namespace edgesmith::runtime::native
