// SPDX-License-Identifier: Apache-2.0
// What errors of single layers do to the network's outputs, from calibration data: no labels, no gradients.
#pragma once

#include <functional>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/ir/graph.h"
#include "edgesmith/passes/pass.h"
#include "passes/quantize/stream.h"
#include "passes/reconstruct/gram.h"

namespace edgesmith::passes::reconstruct {

/// Calls `visit` with the index of every layer and the moments of its inputs in `graph` as it is. The samples run once,
/// or several times where the moments of all layers would take too much memory. Errors: those of the runs and `visit`.
Status visit_inputs(const ir::Graph& graph, const std::vector<ir::Node*>& layers, const quantize::Stream& stream,
                    int64_t rows_per_input, const std::function<Status(size_t layer, const Gram& gram)>& visit);

/// Changes one layer of a copy of the graph.
using ChangeLayer = std::function<void(size_t layer, ir::Graph& copy, ir::Node& node)>;

/// For every layer the squared error over the squared signal of the network's outputs (averaged over them) when this
/// layer alone is changed. Looks at some samples of context.calib, fewer for large models. Errors: those of the runs.
Result<std::vector<double>> errors_alone(const ir::Graph& graph, const std::vector<ir::Node*>& layers,
                                         const ChangeLayer& change, PassContext& context);

/// What an error of a layer's outputs does to the network's, relative to their power: `alone` (errors_alone) for an
/// error of `layer_error`. Never nothing: at least a millionth of the layer's own relative error, `power` being that of
/// its outputs. 0 when there was no error.
double gain_of(double alone, double layer_error, double power);

}  // namespace edgesmith::passes::reconstruct
