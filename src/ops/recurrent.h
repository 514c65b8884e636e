// SPDX-License-Identifier: Apache-2.0
// What rnn, gru and lstm share: a cell applied step after step over sequences x [steps, batch, inputs].
//
// Operands: x, W [directions, gates * hidden, inputs], R [directions, gates * hidden, hidden], then optional: bias
// [directions, 2 * gates * hidden] (of W and of R), sequence_lens i32 [batch], initial state [directions, batch,
// hidden]. Outputs: y [steps, directions, batch, hidden] (zero behind a sequence's end), the last state [directions,
// batch, hidden]; lstm has a second state. Attributes: hidden_size, direction = forward, reverse, bidirectional, layout
// = 0 (1: batch comes first in x, y and states), clip (of what goes into activations), activations with
// activation_alpha and activation_beta. Everything is computed in f64. f32, f64; f16 and bf16 through f32.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "edgesmith/ops/op_info.h"
#include "ops/check.h"

namespace edgesmith::ops {

struct RecurrentForm {
  int64_t gates = 1;
  int states = 1;                             ///< 2: a cell state beside the hidden one
  std::vector<std::string_view> activations;  ///< defaults of one direction
};

/// Changes the hidden states of one step, one pointer to [hidden] a sequence, before they are multiplied with R.
using CodeStates = std::function<void(std::span<double* const> states, int64_t hidden)>;

/// `own` and `another`: integer attributes of the operator itself.
Status verify_recurrent(const ir::Node& node, const RecurrentForm& form, std::string_view own,
                        std::string_view another = "hidden_size");
Result<std::vector<ir::Type>> infer_recurrent(const ir::Node& node, const RecurrentForm& form);
Cost recurrent_cost(const ir::Node& node, const RecurrentForm& form);

using Activation = std::function<double(double)>;

/// What a cell is given at one step of one sequence.
struct CellInputs {
  int64_t hidden = 0, direction = 0;
  const double* of_x = nullptr;       ///< [gates * hidden]: W x + its bias
  const double* bias_of_r = nullptr;  ///< [gates * hidden]
  const double* r = nullptr;          ///< [gates * hidden, hidden]
  const Activation* activations = nullptr;
  std::function<double(double)> clip;
  const double* of_r = nullptr;  ///< [hidden]: what R is multiplied with, the hidden state unless it is coded

  /// Row `row` of R times a vector [hidden].
  double product(int64_t row, const double* vector) const;
};

/// Changes the hidden state [hidden] and, for lstm, the cell state.
using Cell = std::function<void(const CellInputs& inputs, double* hidden_state, double* cell_state)>;

Result<std::vector<ir::Tensor>> run_recurrent(const ir::Node& node, std::span<const ir::Tensor* const> inputs,
                                              const RecurrentForm& form, const Cell& cell, const CodeStates& code = {});

}  // namespace edgesmith::ops
