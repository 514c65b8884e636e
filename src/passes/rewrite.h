// SPDX-License-Identifier: Apache-2.0
// What several rewriting passes need.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "edgesmith/ir/graph.h"
#include "edgesmith/passes/pass.h"

namespace edgesmith::passes {

/// The schema of a pass without options.
const OptionSchema& no_options();

/// True for a value that a rewrite may see through: not annotated.
inline bool is_plain(const ir::Value& value) { return !value.quant().has_value(); }

/// The tensor of operand `index` when it is a constant without annotation, else null.
const ir::Tensor* plain_constant(const ir::Node& node, int index);

/// The producer of operand `index` when it is an `op` whose output is plain and read by this operand alone.
ir::Node* sole_producer(const ir::Node& node, int index, ir::OpKind op);

/// `node` is removed; readers of its output read `replacement` instead. The replacement takes over the output's source
/// name when it is not a constant or an input, since it now holds what people know under that name.
void replace_node(ir::Graph& graph, ir::Node& node, ir::Value& replacement);

/// The same without renaming.
void bypass_node(ir::Graph& graph, ir::Node& node, ir::Value& replacement);

/// Calls `rewrite` for every node, in order; it returns whether it changed the graph.
Change rewrite_nodes(ir::Graph& graph, const std::function<bool(ir::Graph& graph, ir::Node& node)>& rewrite);

/// A tensor that broadcasts against a value of rank `rank` along axis `axis` only (every other dim 1), as `channels`
/// numbers. nullopt when it varies along another axis or is not f32.
std::optional<std::vector<double>> per_channel(const ir::Tensor& tensor, int rank, int axis, int64_t channels);

/// A layer with weights whose output channels can be scaled and shifted: Conv, ConvTranspose, Gemm (alpha = beta = 1)
/// with a constant f32 weight and an absent or constant per-channel bias, plain output.
struct Layer {
  ir::Node* node = nullptr;
  int64_t channels = 0;        ///< output channels
  int channel_axis = 1;        ///< of the output
  bool weight_shared = false;  ///< the weight constant has other readers
  std::vector<double> bias;    ///< [channels], zeros when absent
};
std::optional<Layer> match_layer(ir::Node& node);

/// y -> y * factor[c] + shift[c], by changing the layer's constants. An empty factor leaves the weights alone.
void scale_and_shift(ir::Graph& graph, const Layer& layer, const std::vector<double>& factor,
                     const std::vector<double>& shift);

}  // namespace edgesmith::passes
