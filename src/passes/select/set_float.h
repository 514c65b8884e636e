// SPDX-License-Identifier: Apache-2.0
// set_float for many plans of one model.
#pragma once

#include "edgesmith/passes/precision.h"

namespace edgesmith::passes::select {

/// The float model as `simplify` leaves it, so that its nodes and weights are those of the quantized one. Errors: those
/// of simplify.
Result<ir::Graph> clean_original(const ir::Graph& original, const targets::Target& target);

/// As passes::set_float, with an original (may be null) that was cleaned.
FloatConstants set_float_from(ir::Graph& graph, const targets::Target& target, const PrecisionPlan& plan,
                              const ir::Graph* cleaned);

}  // namespace edgesmith::passes::select
