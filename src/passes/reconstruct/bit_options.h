// SPDX-License-Identifier: Apache-2.0
// What `quantize` and `share` can be asked about the bits of layers.
#pragma once

#include "edgesmith/base/result.h"
#include "edgesmith/passes/options.h"
#include "passes/reconstruct/bit_plan.h"

namespace edgesmith::passes::reconstruct {

/// How layers get their bits.
enum class BitSharing {
  uniform,    ///< the same for all
  knapsack,   ///< as many as their errors are worth
  rate_aware  ///< the same for all, but codes (or entries) are chosen by what a packer spends on them as well
};

struct BitOptions {
  BitSharing sharing = BitSharing::uniform;
  BitBudget budget;  ///< nothing with equal bits; bytes with `rate_aware`
};

/// Reads `bits_per_layer`, `rounding`, `size` and `sqnr`. `width`: the option that says the bits of all layers;
/// `counted`: what `size` counts. Errors: usage, where they do not fit together.
Result<BitOptions> read_bit_options(const Options& options, const char* width, const char* counted);

/// The option `sqnr`.
OptionRow sqnr_option();

}  // namespace edgesmith::passes::reconstruct
