// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "edgesmith/ir/graph.h"

namespace edgesmith::passes::quantize {

/// Lets layers do what stands between them and the codes of their neighbours: a zero Pad before a Conv becomes its
/// padding, a BatchNormalization after a layer its weights and bias, where `selected` (by node id) has both. Either
/// would stay on floats, between a DequantizeLinear and a QuantizeLinear of its own. Returns the norms folded.
int fold_into_layers(ir::Graph& graph, const std::vector<bool>& selected);

}  // namespace edgesmith::passes::quantize
