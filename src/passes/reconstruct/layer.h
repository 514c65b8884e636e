// SPDX-License-Identifier: Apache-2.0
// A layer as rows of weights, one an output channel, whatever its operator.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "edgesmith/ir/graph.h"

namespace edgesmith::passes::reconstruct {

/// Inputs whose products are kept together: whole 3x3 layers of 128 channels. Wider layers are swept in parts, which
/// get narrower down to kNarrowestBlock where memory is short.
inline constexpr int kWidestBlock = 1280, kNarrowestBlock = 64;
/// Rows of data for each input of a block where codes or codebooks are fitted: the differences to the float model need
/// better moments than rounding alone.
inline constexpr int64_t kRowsPerInput = 64;

struct Layer {
  ir::Node* node = nullptr;
  int64_t outputs = 0, width = 0;
  std::vector<double> weights;  ///< [outputs][width], in the order of LayerInputs' rows
  int inputs = -1;              ///< index of its LayerInputs; -1: none
  int group_step = 1;           ///< from one weight to the next along the axis that patterns run along
  int64_t group_size = 0;       ///< weights along that axis

  int64_t size() const { return outputs * width; }
};

inline size_t id_of(const ir::Value& value) { return static_cast<size_t>(value.id()); }

/// Whether a weight is its numbers, all of them or those that are not zero, and no codes or indices.
bool holds_numbers(const ir::Tensor& weight);

/// Reads the weights of a Conv, ConvTranspose, Gemm or MatMul with a constant float32 weight of two or more dims.
Layer read_layer(ir::Node& node);
/// Whether the layer has a bias, or room for one, that may change.
bool has_bias_operand(const Layer& layer);
/// Writes weights and the change of every output's bias (empty: none) back.
void write_layer(ir::Graph& graph, const Layer& layer, const std::vector<double>& bias_change);

/// Adds to every output's bias, which there is room for.
void change_bias(ir::Graph& graph, const Layer& layer, const std::vector<double>& change);

/// The bias with as few significant bits, those of short floats (ir/short_floats.h) or more, as change no output by
/// more than its weights do: `errors` by output, squared. Without errors it stays, and so does one that other nodes
/// read.
void shorten_bias(ir::Graph& graph, ir::Node& layer, std::span<const double> errors);

/// Gives an operand of the layer the constant, or nothing, that it had in `original`, a clone of the graph from before.
/// An operand that the layer does not have, or that is no constant, stays.
void restore_constant(ir::Graph& graph, const ir::Graph& original, ir::Node& layer, int operand);

}  // namespace edgesmith::passes::reconstruct
