// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "edgesmith/passes/pass.h"
#include "passes/quantize/low_bit.h"

namespace edgesmith::passes::quantize {

/// Gives the selected Conv, Gemm and MatMul weights codes of few bits; arithmetic stays float. With `reconstruct`
/// layers go in order, each on statistics through the layers before it, and need context.calib. Weights that are codes
/// already are left alone. Adds records and notes to the context. Errors: usage (a block size that divides no layer),
/// invalid (NaN or infinite weights), those of the runs.
Result<Change> set_low_bit_weights(ir::Graph& graph, const LowBitSettings& settings, bool reconstruct,
                                   const std::vector<bool>& selected, PassContext& context);

}  // namespace edgesmith::passes::quantize
