// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "edgesmith/ir/graph.h"
#include "edgesmith/refine/run_report.h"

namespace edgesmith::refine {

/// The layers whose weights a step made sparser or gave codebooks, in graph order; `before` and `after` are the graph
/// around the step (nodes keep their ids). Weights that became codes of their own are not among them: that some of
/// those are zero is rounding.
std::vector<WeightPicture> draw_weights(const ir::Graph& before, const ir::Graph& after);

}  // namespace edgesmith::refine
