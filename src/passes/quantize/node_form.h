// SPDX-License-Identifier: Apache-2.0
// What a single node is to quantization.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "edgesmith/ir/graph.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/targets/target.h"
#include "passes/quantize/range.h"

namespace edgesmith::passes::quantize {

/// Why a node cannot compute on integers, and what would help (may be empty).
struct Obstacle {
  std::string reason, advice;
};
/// nullopt: the target can compute the node on integers.
std::optional<Obstacle> find_obstacle(const ir::Node& node, const targets::Target& target);

/// The operands that carry activations (a constant weight is none).
std::vector<int> data_operands(const ir::Node& node);
/// The constant weight of a Conv, Gemm or MatMul, or null.
ir::Value* weight_of(const ir::Node& node);
/// Number of output channels of that weight, and their axis (>= 0).
int weight_axis(const ir::Node& node);

/// The limits of a Relu, or of a Clip with constant limits, that hold zero; nullopt for any other node.
std::optional<Bounds> clamp_bounds(const ir::Node& node);

/// True when the result needs no codes for the node to compute on integers: Gemm and MatMul can hand out floats.
bool can_hand_out_floats(const ir::Node& node);

/// True for an AveragePool with dilations: no runtime has one on integers, and ONNX Runtime does not load one between
/// QuantizeLinear and DequantizeLinear.
bool is_dilated_mean(const ir::Node& node);

/// True for a Pad that adds zeros (constant mode), which have a code on every scale.
bool pads_zeros(const ir::Node& node);

}  // namespace edgesmith::passes::quantize
