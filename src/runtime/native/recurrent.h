// SPDX-License-Identifier: Apache-2.0
// What the kernels of lstm, gru and rnn share: a cell applied step after step, with the weights of each direction
// packed. ops/recurrent.h says what operands and attributes mean.
//
// The products with x are one matrix product for all steps. What follows at a step are products of the states with R
// and element-wise functions over the gates of each sequence. Sequences that end at different steps go one by one.
#pragma once

#include <string_view>
#include <vector>

#include "runtime/kernel_registry.h"
#include "runtime/native/table.h"

namespace edgesmith::runtime::native {

/// The weights of one direction: right operands of products, packed; biases in whole vectors.
struct RecurrentWeights {
  std::vector<float> of_x;        ///< W' [inputs, gates * hidden]
  std::vector<float> of_h;        ///< R' [hidden, gates_of_h * hidden]
  std::vector<float> apart;       ///< R' of the other gates
  std::vector<float> bias;        ///< [gates * hidden], that of R with it but for what stands in bias_apart
  std::vector<float> bias_apart;  ///< of R, for the gates in `apart`
};

/// One step of some sequences, all of which go on.
struct CellStep {
  const NativeTable& table;
  const RecurrentWeights& weights;
  int64_t rows, hidden;
  const float* of_x;  ///< W x + biases: a row every x_step floats
  int64_t x_step;
  float* gates;       ///< scratch: [rows, gates * hidden]
  float* spare;       ///< scratch: [2 * hidden]
  float* others;      ///< scratch: [rows, hidden]
  float* h;           ///< [rows, hidden]: the state before the step, and then the one behind it
  const float* of_r;  ///< [rows, hidden]: what R is multiplied with: h, or what its codes mean
  float* c;           ///< the same of the cell's state, for lstm
};

/// products [rows, columns] (one every `step` floats) = states [rows, hidden] times a packed matrix, plus a bias that
/// may be null.
void multiply_states(const CellStep& step, const float* states, const std::vector<float>& packed, int64_t columns,
                     const float* bias, float* products, int64_t products_step);

struct RecurrentCell {
  int64_t gates = 1;
  int states = 1;                             ///< 2: a cell state beside the hidden one
  int64_t gates_of_h = 1;                     ///< gates whose products with h are made together, the first ones
  std::vector<std::string_view> activations;  ///< the ones it computes, as ONNX's defaults are written
  bool coded_states = false;                  ///< it reads CellStep::of_r
  bool (*bias_apart)(const ir::Node& node) = nullptr;  ///< whether R's bias of the other gates is not added to W's
  void (*run)(const ir::Node& node, const CellStep& step) = nullptr;
};

/// Float32 operands, the cell's own activations, no clipping, no peepholes. Attribute quantized_states (ops/lstm.cc)
/// for a cell that reads CellStep::of_r.
bool supports_recurrent(const ir::Node& node, const RecurrentCell& cell);
Result<std::shared_ptr<const Prepared>> prepare_recurrent(const ir::Node& node, const RecurrentCell& cell,
                                                          std::span<const ir::Tensor* const> constants, Isa isa);
Result<int64_t> recurrent_scratch_bytes(const ir::Node& node, const RecurrentCell& cell, OperandDims inputs);
/// Checks that the operands fit each other. Errors: invalid.
Result<std::shared_ptr<const Prepared>> bind_recurrent(const ir::Node& node, const RecurrentCell& cell,
                                                       OperandDims inputs);
/// Errors: invalid, for a length of a sequence that is none.
Status run_recurrent(const KernelCall& call, const RecurrentCell& cell);

}  // namespace edgesmith::runtime::native
