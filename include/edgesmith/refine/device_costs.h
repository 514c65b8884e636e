// SPDX-License-Identifier: Apache-2.0
// What the nodes of a model cost in our runtime on this machine, for choosing precisions elsewhere.
#pragma once

#include "edgesmith/base/result.h"
#include "edgesmith/passes/costs.h"
#include "edgesmith/refine/bench.h"

namespace edgesmith::refine {

/// Errors: usage, when the first is quantized or the second is not.
Status check_cost_models(const ir::Graph& float_graph, const ir::Graph& int8_graph);

/// The costs of a float model and its int8 form, which were run with per_node (`results`). Who measured and the
/// models' files are left to the caller. The times of a model's kernels are scaled down to add up to its fastest whole
/// run at most. Conversions are timed here, in small models.
/// Errors: those of bench().
Result<passes::Costs> device_costs(const ir::Graph& float_graph, const BenchResult& float_result,
                                   const ir::Graph& int8_graph, const BenchResult& int8_result,
                                   const runtime::ExecutorOptions& executor);

}  // namespace edgesmith::refine
