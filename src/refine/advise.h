// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "edgesmith/ir/graph.h"
#include "edgesmith/passes/pass.h"

namespace edgesmith::refine {

/// Adds to records that have "sqnr_db" how much of the signal is lost in the layer itself: "lost_db", the difference to
/// the weakest described value that it reads. Noise accumulates along the graph, so the layer with the lowest SQNR need
/// not be the one to blame. Weak layers that lose much, and for which the pass had no advice, get some. `graph` is the
/// model before the pass; values are found by name.
void add_losses(const ir::Graph& graph, std::vector<passes::LayerRecord>& layers);

}  // namespace edgesmith::refine
