// SPDX-License-Identifier: Apache-2.0
// Which units of each group go first, and the error that comes of it.
#pragma once

#include <vector>

#include "edgesmith/base/progress.h"
#include "passes/prune/structured/cutter.h"

namespace edgesmith::passes::prune {

/// By group: by magnitude, or by what the readers lose of their outputs. A group of which nothing may go has no order.
std::vector<UnitTrace> rank_units(const Candidates& candidates, const std::string& criterion, const ReaderSums& sums,
                                  ThreadPool& pool, ProgressSink& progress);

/// Scales the errors of each group's trace to those of the results of `original`, by trying it alone with the share
/// `lost` of its units gone. `cutter` cuts by these traces. Errors: those of the runs.
Status scale_errors(std::vector<UnitTrace>& traces, const ir::Graph& original, const Candidates& candidates,
                    const Cutter& cutter, double lost, const PassContext& context);

}  // namespace edgesmith::passes::prune
