// SPDX-License-Identifier: Apache-2.0
// Codes for weights that share codebooks: the entries are rounded, the indices stay.
#pragma once

#include "passes/quantize/layer_codes.h"

namespace edgesmith::passes::quantize {

/// As quantize_weight, for a constant weight with encoding palette. Channels of a codebook get one scale, so that the
/// codebook of codes has as many entries as that of reals; every entry is rounded to the nearest code, and zero stays
/// zero. Rules that bound what two weights may sum to are kept by halving the range of every code.
Result<WeightCodes> quantize_palette(const ir::Node& node, const WeightSettings& settings, const LayerInputs* inputs,
                                     const std::vector<double>& smallest_scales);

}  // namespace edgesmith::passes::quantize
