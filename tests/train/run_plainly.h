// SPDX-License-Identifier: Apache-2.0
// Evaluates a graph node by node in the element types that it states: doubles stay doubles.
#pragma once

#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/ir/graph.h"

namespace edgesmith::train {

/// The tensors of `wanted` when the graph's inputs are `inputs`, in order. Only what they need is evaluated.
Result<std::vector<ir::Tensor>> run_plainly(const ir::Graph& graph, const std::vector<ir::Tensor>& inputs,
                                            const std::vector<const ir::Value*>& wanted);

}  // namespace edgesmith::train
