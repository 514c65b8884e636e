// SPDX-License-Identifier: Apache-2.0
// Whether a pass left weights that are no numbers.
#pragma once

#include <string>

#include "edgesmith/ir/graph.h"

namespace edgesmith::refine {

/// A sentence that names the first weight or bias of a layer in `after` that holds NaN or infinity, or "". Weights
/// that `before` has, too (the same storage), and those of models that had such numbers already are not looked at.
std::string find_broken_weight(const ir::Graph& before, const ir::Graph& after);

}  // namespace edgesmith::refine
