// SPDX-License-Identifier: Apache-2.0
// Two models that are fed with the same data: inputs of the same name are the same input, wherever they stand.
#pragma once

#include "edgesmith/ir/graph.h"

namespace edgesmith::ir {

/// Gives `graph` the inputs of `fed` in its order, those that `graph` does not read as well. Where `graph` has an input
/// of a name that `fed` does not have, nothing changes: such models are fed by position.
void align_inputs(Graph& graph, const Graph& fed);

}  // namespace edgesmith::ir
