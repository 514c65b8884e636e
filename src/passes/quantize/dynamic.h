// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "edgesmith/passes/pass.h"
#include "passes/quantize/layer_codes.h"
#include "passes/selectors.h"

namespace edgesmith::passes::quantize {

/// Dynamic quantization: weights become int8 codes, activations codes of the run, in operators of standard ONNX and,
/// for LSTM, of com.microsoft where the target has them; also inside of If, Loop and Scan. Errors: usage (a selector
/// that matches nothing), invalid (NaN or infinite weights).
Result<Change> quantize_dynamic(ir::Graph& graph, WeightSettings settings, const Selectors& selectors,
                                PassContext& context);

}  // namespace edgesmith::passes::quantize
