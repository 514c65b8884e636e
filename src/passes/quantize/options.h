// SPDX-License-Identifier: Apache-2.0
// What `quantize` can be asked for.
#pragma once

#include "edgesmith/passes/options.h"
#include "edgesmith/targets/target.h"
#include "passes/quantize/layer_codes.h"
#include "passes/quantize/low_bit_layers.h"

namespace edgesmith::passes::quantize {

const OptionSchema& quantize_options();

/// How the target's int8 weights are rounded.
WeightSettings weight_settings(const Options& options, const targets::Target& target);

/// Whether layers share bits. `data`: there are some to calibrate with. Errors: usage, where options do not fit
/// together.
Result<BitSharing> bit_sharing(const Options& options, bool data);

/// Errors: usage, for options beside `dynamic` that say how calibration data are used, or ask for another form.
Status check_dynamic(const Options& options);

}  // namespace edgesmith::passes::quantize
