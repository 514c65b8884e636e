// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "edgesmith/ir/graph.h"

namespace edgesmith::passes::quantize {

// Layers do what stands between them and the codes of their neighbours, and would stay on floats there, between a
// DequantizeLinear and a QuantizeLinear of its own.

/// A zero Pad before a Conv becomes its padding.
void fold_pads_into_layers(ir::Graph& graph);

/// A BatchNormalization goes into the weights and bias of the layer before it, where `selected` (by node id; new ones
/// are) has both. Returns how many did.
int fold_norms_into_layers(ir::Graph& graph, const std::vector<bool>& selected);
/// How many BatchNormalization nodes simplify would fold into a layer.
int count_foldable_norms(ir::Graph& graph);

}  // namespace edgesmith::passes::quantize
