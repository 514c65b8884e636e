// SPDX-License-Identifier: Apache-2.0
// The layers that are left, one after the other, learn what the original gave.
#pragma once

#include <string>
#include <vector>

#include "passes/prune/structured/branch_trials.h"
#include "passes/prune/structured/groups.h"
#include "passes/prune/structured/row_sums.h"
#include "passes/quantize/stream.h"

namespace edgesmith::passes::prune {

/// Refits one layer to the targets that the sums hold.
void solve_layer(ir::Graph& graph, const MixLayer& layer, const RowSums& sums, ThreadPool& pool);

/// Refits the weights and biases of the layers of a pruned graph by least squares: to what the same layer gives in
/// `original`, from the inputs that it meets in the pruned graph, whose earlier layers were refitted before. So every
/// layer makes up for the errors before it (as asymmetric calibration does: GPTAQ, arXiv 2504.02692). A layer that ends
/// in a residual Add aims at the sum, less what the pruned graph adds there. A layer that stands in for branches that
/// are gone aims at the last of their sums.
///
/// `layers` are those of `graph`, without a node where they are `gone`; their ids are the same in `original`. `kept` by
/// space: the channels that are left of the original's. `changed` by space: some are gone. `notes` say when layers saw
/// fewer inputs than they have weights. Errors: those of the runs.
Status refit_in_turn(ir::Graph& graph, const ir::Graph& original, std::vector<MixLayer> layers,
                     const std::vector<std::vector<int64_t>>& kept, const std::vector<bool>& changed,
                     const GoneBranches& gone, const quantize::Stream& stream, std::vector<std::string>& notes);

}  // namespace edgesmith::passes::prune
