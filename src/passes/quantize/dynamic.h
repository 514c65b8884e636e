// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "edgesmith/passes/pass.h"
#include "passes/quantize/layer_codes.h"

namespace edgesmith::passes::quantize {

/// Dynamic quantization: weights become int8 codes, activations codes of the run, in operators of standard ONNX.
/// `selected` by node id. Errors: invalid (NaN or infinite weights).
Result<Change> quantize_dynamic(ir::Graph& graph, WeightSettings settings, const std::vector<bool>& selected,
                                PassContext& context);

}  // namespace edgesmith::passes::quantize
