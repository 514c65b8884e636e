// SPDX-License-Identifier: Apache-2.0
// Pruning of whole channels after training, from calibration data alone.
#pragma once

#include <vector>

#include "edgesmith/passes/pass.h"

namespace edgesmith::passes::prune {

/// Whether the options ask for fewer channels rather than for zeros.
bool asks_for_channels(const Options& options);

/// Takes channels out of the layers that `selected` names by node id. Errors: usage (a budget that cannot be reached,
/// quantized layers, no calibration data), invalid (weights that are no numbers), those of the runs.
Result<Change> prune_channels(ir::Graph& graph, const Options& options, PassContext& context,
                              const std::vector<bool>& selected);

}  // namespace edgesmith::passes::prune
