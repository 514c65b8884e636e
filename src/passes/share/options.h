// SPDX-License-Identifier: Apache-2.0
// What `share` can be asked for.
#pragma once

#include "edgesmith/passes/options.h"
#include "passes/reconstruct/bit_plan.h"
#include "passes/share/share_layer.h"

namespace edgesmith::passes::share {

inline constexpr int kFewestBits = 1, kMostBits = 8;

/// How layers get the bits of their indices.
enum class BitSharing {
  uniform,    ///< the same for all
  knapsack,   ///< 1 to 8 each, by error
  rate_aware  ///< the same for all, but entries are chosen by what a packer spends on their indices as well
};

struct ShareOptions {
  ShareSettings settings;
  bool repair = true;  ///< indices and codebooks are fitted to what layers give on calibration data
  BitSharing sharing = BitSharing::uniform;
  reconstruct::BitBudget budget;
};

const OptionSchema& share_options();

/// `data`: there are some to calibrate with. Errors: usage, where options do not fit together.
Result<ShareOptions> read_options(const Options& options, bool data);

}  // namespace edgesmith::passes::share
