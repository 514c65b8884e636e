// SPDX-License-Identifier: Apache-2.0
// Whether widths that layers share do better than equal ones, seen on the whole network.
#pragma once

#include <functional>
#include <vector>

#include "edgesmith/ir/graph.h"
#include "edgesmith/passes/pass.h"
#include "passes/quantize/stream.h"
#include "passes/reconstruct/bit_plan.h"
#include "passes/reconstruct/gram.h"

namespace edgesmith::passes::reconstruct {

/// Codes one layer of a copy of the graph, in place: quickly, as far as results stay alike.
using CodeLayer = std::function<void(size_t layer, int bits, ir::Graph& copy, ir::Node& node, const Gram& gram)>;

/// The plan adds up errors of single layers, though later layers make up for earlier ones. So both its widths and the
/// equal ones of the same budget are tried: all layers are coded in order on some samples of `stream`, and the outputs
/// compared with the original's on others. Equal widths take the place of the plan's where they come out clearly
/// closer. Says in the context's notes what was measured. Nothing is tried where the budget has no equal widths, or
/// they are the plan's. Errors: those of the runs.
Status keep_better(BitPlan& plan, const ir::Graph& graph, const std::vector<ir::Node*>& layers,
                   const quantize::Stream& stream, const CodeLayer& code, PassContext& context);

}  // namespace edgesmith::passes::reconstruct
