// SPDX-License-Identifier: Apache-2.0
// rnn of float32 sequences: h = tanh(W x + R h + biases).
#include "runtime/native/kernels.h"
#include "runtime/native/recurrent_row.h"

namespace edgesmith::runtime::native {
namespace {

void run(const ir::Node&, const CellStep& s) {
  const int64_t n = s.hidden;
  multiply_states(s, s.h, s.weights.of_h, n, nullptr, s.gates, n);
  for (int64_t r = 0; r < s.rows; ++r) {
    float* gates = s.gates + r * n;
    s.table.add_into(s.of_x + r * s.x_step, gates, n);
    s.table.unary(Unary::tanh, gates, 0, s.h + r * n, n, {});
  }
}

const RecurrentCell& cell() {
  static const RecurrentCell kCell = {.activations = {"Tanh"}, .run = run};
  return kCell;
}

}  // namespace

const Kernel kRnnF32 = recurrent_row<cell>("rnn_f32", ir::OpKind::rnn);

}  // namespace edgesmith::runtime::native
