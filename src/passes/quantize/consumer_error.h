// SPDX-License-Identifier: Apache-2.0
// The error that the codes of one value cause in the results of the operators that read it.
#pragma once

#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/ir/graph.h"
#include "passes/quantize/plan.h"
#include "passes/quantize/stream.h"

namespace edgesmith::passes::quantize {

/// For every set of the plan and every Quant in `candidates[set]`: squared error over squared signal of the results of
/// the integer nodes that read values of the set, when only those values are coded and everything else is float, summed
/// over the nodes. A set that no integer node reads is judged by its own error. Sets with fewer than two candidates are
/// not measured.
Result<std::vector<std::vector<double>>> measure_consumers(const ir::Graph& graph, const Plan& plan,
                                                           const std::vector<std::vector<ir::Quant>>& candidates,
                                                           const Stream& stream);

}  // namespace edgesmith::passes::quantize
