// SPDX-License-Identifier: Apache-2.0
// What goes of the candidates.
#pragma once

#include <cstdint>
#include <vector>

#include "passes/prune/structured/branch_trials.h"
#include "passes/prune/structured/candidates.h"

namespace edgesmith::passes::prune {

/// By place: how many units go of each group, then 0 or 1 for each branch. `traces` by group, `means` by branch;
/// `original`: a copy of the candidates' graph. Errors: usage (what is asked for cannot be reached), those of the runs.
Result<std::vector<int64_t>> choose(const ir::Graph& original, const Candidates& candidates,
                                    const ChannelSettings& settings, const std::vector<UnitTrace>& traces,
                                    const std::vector<ir::Tensor>& means, const PassContext& context);

}  // namespace edgesmith::passes::prune
