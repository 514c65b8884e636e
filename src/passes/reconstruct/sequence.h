// SPDX-License-Identifier: Apache-2.0
// Compressing layers one after another, each with statistics through those compressed before it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/ir/graph.h"
#include "passes/quantize/stream.h"
#include "passes/reconstruct/gram.h"

namespace edgesmith::passes::reconstruct {

/// What to do with one layer, in place; it must keep the ids of the other nodes.
using Compress = std::function<Status(ir::Node& layer, const Gram& gram)>;

/// Calls `compress` for every layer (Conv, Gemm, MatMul with a constant weight) in topological order. Layers that do
/// not read each other's results form a stage; the samples run once for every stage, through the float model (`graph`
/// as it comes) and through the graph as far as it is compressed. A layer whose output is added to what only layers
/// before it make (the shortcut of a residual block) aims at the sum. Where that would take too long, neighbouring
/// stages are observed together. `notes` say when layers saw fewer inputs than they have weights. Memory does not grow
/// with the samples. Errors: those of the runs and of `compress`.
Status compress_in_order(ir::Graph& graph, const std::vector<ir::Node*>& layers, const quantize::Stream& stream,
                         int64_t rows_per_input, std::vector<std::string>& notes, const Compress& compress);

/// The stages: every list holds layers that are observed together. `most_stages` > 0 limits their number.
std::vector<std::vector<ir::Node*>> stages_of(const ir::Graph& graph, const std::vector<ir::Node*>& layers,
                                              int most_stages = 0);

/// What the layer's output is added to and nothing else is done with, when it is as large and no layer at the layer's
/// depth or behind it takes part in it; null otherwise.
const ir::Value* shortcut_of(const ir::Graph& graph, const std::vector<ir::Node*>& layers, const ir::Node& layer);

}  // namespace edgesmith::passes::reconstruct
