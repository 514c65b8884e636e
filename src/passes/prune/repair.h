// SPDX-License-Identifier: Apache-2.0
// The weights that are left make up for those that went, and for what pruning the layers before changed.
#pragma once

#include <optional>
#include <vector>

#include "edgesmith/base/thread_pool.h"
#include "passes/prune/masks.h"
#include "passes/reconstruct/gram.h"

namespace edgesmith::passes::prune {

/// How the mask of a layer may change when it is repaired, where that is affordable; zeros of before stay.
struct MaskChoice {
  /// The mask is chosen again, one removal after another with the rest refitted (obs.h), in layers that it fits.
  std::optional<Pattern> pattern;
  /// Weights that are gone come back for others of their output, as long as that lowers the error.
  bool exchange = false;
};

/// Sets the weights of a masked layer to those with the least output error against the float model (gram.h), and
/// returns the change of every output's bias that goes with them (empty: there is no room for one).
std::vector<double> repair(Layer& layer, const reconstruct::Gram& gram, const MaskChoice& choice, ThreadPool& pool);

}  // namespace edgesmith::passes::prune
