// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "edgesmith/base/result.h"
#include "edgesmith/ir/graph.h"

namespace edgesmith::passes::quantize {

/// Evaluates what is computed from constants alone to say by how much a Pad pads, so that the Pad is seen to vanish
/// into the windows of the Conv after it. Errors: those of the operators.
Status fold_pad_amounts(ir::Graph& graph);

}  // namespace edgesmith::passes::quantize
