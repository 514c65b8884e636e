// SPDX-License-Identifier: Apache-2.0
// Parts of a graph that depend on constants alone, taken as a whole.
#pragma once

#include <cstdint>

#include "edgesmith/base/result.h"
#include "edgesmith/ir/graph.h"

namespace edgesmith::passes {

/// Computes every such part whose results take no more bytes than the constants that nobody else reads, which a node on
/// its own need not fulfil: three Slices and a Concat reorder a weight, and each Slice alone would repeat a part of it.
/// Returns how many values became constants. Errors: invalid, naming the node.
Result<int> fold_regions(ir::Graph& graph);

}  // namespace edgesmith::passes
