// SPDX-License-Identifier: Apache-2.0
// What `quantize` can be asked for.
#pragma once

#include "edgesmith/passes/options.h"
#include "edgesmith/targets/target.h"
#include "passes/quantize/layer_codes.h"
#include "passes/reconstruct/bit_options.h"

namespace edgesmith::passes::quantize {

const OptionSchema& quantize_options();

/// How the target's int8 weights are rounded.
WeightSettings weight_settings(const Options& options, const targets::Target& target);

/// How layers get their bits. `data`: there are some to calibrate with. Errors: usage, where options do not fit
/// together.
Result<reconstruct::BitOptions> bit_options(const Options& options, bool data);

/// Which numbers become integers.
struct Form {
  bool few_bits = false;         ///< weights of 2 to 7 bits, or of bits that layers share
  bool integer_weights = false;  ///< one int8 code a weight, as the target wants them; else low_bit_layers.h
  bool floating = false;         ///< values between operators stay float
};
Form form_of(const Options& options);

/// Errors: usage, for options that would do nothing beside the others.
Status check_quantize(const Options& options);

/// Errors: usage, for options beside `dynamic` that say how calibration data are used, or ask for another form.
Status check_dynamic(const Options& options);

}  // namespace edgesmith::passes::quantize
