// SPDX-License-Identifier: Apache-2.0
// A layer as rows of weights, one an output channel, whatever its operator.
#pragma once

#include <cstdint>
#include <vector>

#include "edgesmith/ir/graph.h"

namespace edgesmith::passes::reconstruct {

struct Layer {
  ir::Node* node = nullptr;
  int64_t outputs = 0, width = 0;
  std::vector<double> weights;  ///< [outputs][width], in the order of LayerInputs' rows
  int inputs = -1;              ///< index of its LayerInputs; -1: none
  int group_step = 1;           ///< from one weight to the next along the axis that patterns run along
  int64_t group_size = 0;       ///< weights along that axis

  int64_t size() const { return outputs * width; }
};

/// Reads the weights of a Conv, Gemm or MatMul with a constant float32 weight of two or more dims.
Layer read_layer(ir::Node& node);
/// Writes weights and the change of every output's bias (empty: none) back.
void write_layer(ir::Graph& graph, const Layer& layer, const std::vector<double>& bias_change);

}  // namespace edgesmith::passes::reconstruct
