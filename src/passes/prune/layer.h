// SPDX-License-Identifier: Apache-2.0
// A layer as pruning sees it: one row of weights an output channel, and what those rows meet.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "edgesmith/ir/graph.h"
#include "passes/quantize/layer_inputs.h"

namespace edgesmith::passes::prune {

struct Layer {
  ir::Node* node = nullptr;
  int64_t outputs = 0, width = 0;
  std::vector<double> weights;  ///< [outputs][width], in the order of LayerInputs' rows
  std::vector<bool> kept;       ///< [outputs][width]: the mask
  int inputs = -1;              ///< index of its LayerInputs; -1: none
  int group_step = 1;           ///< from one weight to the next along the axis that patterns run along
  int64_t group_size = 0;       ///< weights along that axis

  int64_t size() const { return outputs * width; }
  int64_t zeros() const;
};

/// Reads the weights of a Conv, Gemm or MatMul with a constant float32 weight of two or more dims.
Layer read_layer(ir::Node& node);
/// Writes weights and the change of every output's bias (empty: none) back.
void write_layer(ir::Graph& graph, const Layer& layer, const std::vector<double>& bias_change);

}  // namespace edgesmith::passes::prune
