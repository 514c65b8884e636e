// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "edgesmith/passes/pass.h"
#include "passes/quantize/low_bit.h"
#include "passes/reconstruct/bit_options.h"

namespace edgesmith::passes::quantize {

/// Gives the selected Conv, Gemm and MatMul weights codes of few bits; arithmetic stays float. With `reconstruct`
/// layers go in order, each on statistics through the layers before it, and need context.calib; sharing bits asks for
/// it, and being rate-aware for a budget of bytes. Weights that are codes already are left alone. Adds records and
/// notes to the context. Errors: usage (a block size that divides no layer, a budget that cannot be met), invalid (NaN
/// or infinite weights), those of the runs.
Result<Change> set_low_bit_weights(ir::Graph& graph, const LowBitSettings& settings, bool reconstruct,
                                   const reconstruct::BitOptions& bits, const std::vector<bool>& selected,
                                   PassContext& context);

}  // namespace edgesmith::passes::quantize
