// SPDX-License-Identifier: Apache-2.0
// Weights of layers that compute on floats whatever is done: recurrent ones and ConvTranspose.
#pragma once

#include <vector>

#include "edgesmith/passes/pass.h"

namespace edgesmith::passes::quantize {

/// Makes int8 codes of every float32 constant of at least kSmallestTable numbers that selected LSTM, GRU and RNN nodes
/// read as W or R (a scale for each row of a gate) or ConvTranspose nodes as weights (a scale for each of the output
/// channels of a group), when nobody reads it otherwise. What is computed stays float arithmetic. Adds a record of each
/// to the context, and returns how many there were.
int quantize_float_layers(ir::Graph& graph, const std::vector<bool>& selected, PassContext& context);

}  // namespace edgesmith::passes::quantize
