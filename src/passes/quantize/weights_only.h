// SPDX-License-Identifier: Apache-2.0
// int8 codes for weights alone, without data.
#pragma once

#include <vector>

#include "edgesmith/passes/pass.h"

namespace edgesmith::passes::quantize {

/// The weights of every layer that is selected (by node id) become codes of full range; what runs stays float
/// arithmetic. Errors: invalid (numbers that are not finite).
Result<Change> quantize_weights_only(ir::Graph& graph, const Options& options, const std::vector<bool>& selected,
                                     PassContext& context);

}  // namespace edgesmith::passes::quantize
