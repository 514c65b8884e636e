// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "edgesmith/base/result.h"
#include "edgesmith/ir/graph.h"

namespace edgesmith::passes::quantize {

/// Evaluates what stands between a constant and the layer that has it as its weight (Identity, Transpose, Cast,
/// Reshape, ...), so that the weight is found. Errors: those of the operators.
Status fold_weights(ir::Graph& graph);

}  // namespace edgesmith::passes::quantize
