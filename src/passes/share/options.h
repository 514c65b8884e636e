// SPDX-License-Identifier: Apache-2.0
// What `share` can be asked for.
#pragma once

#include "edgesmith/passes/options.h"
#include "passes/reconstruct/bit_options.h"
#include "passes/share/share_layer.h"

namespace edgesmith::passes::share {

using reconstruct::BitSharing;

inline constexpr int kFewestBits = 1, kMostBits = 8;

struct ShareOptions {
  ShareSettings settings;
  bool repair = true;  ///< indices and codebooks are fitted to what layers give on calibration data
  reconstruct::BitOptions bits;
};

const OptionSchema& share_options();

/// `data`: there are some to calibrate with. Errors: usage, where options do not fit together.
Result<ShareOptions> read_options(const Options& options, bool data);

}  // namespace edgesmith::passes::share
