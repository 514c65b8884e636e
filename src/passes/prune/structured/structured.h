// SPDX-License-Identifier: Apache-2.0
// Pruning of whole channels after training, from calibration data alone.
#pragma once

#include <vector>

#include "edgesmith/passes/pass.h"

namespace edgesmith::passes::prune {

/// Takes channels out of the layers that `selected` names by node id. Errors: usage (a budget that cannot be reached,
/// quantized layers, no calibration data), invalid (weights that are no numbers), those of the runs.
Result<Change> prune_channels(ir::Graph& graph, const Options& options, const std::vector<bool>& selected,
                              PassContext& context);

}  // namespace edgesmith::passes::prune
