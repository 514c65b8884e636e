// SPDX-License-Identifier: Apache-2.0
// The weights that are left make up for those that went, and for what pruning the layers before changed.
#pragma once

#include <optional>
#include <vector>

#include "edgesmith/base/thread_pool.h"
#include "passes/prune/masks.h"
#include "passes/reconstruct/gram.h"

namespace edgesmith::passes::prune {

/// Sets the weights of a masked layer to those with the least output error against the float model (gram.h), and
/// returns the change of every output's bias that goes with them (empty: there is no room for one). With a `pattern`
/// the mask is chosen again before, one removal after another with the rest refitted (obs.h), where the layer is
/// masked by it and that is affordable.
std::vector<double> repair(Layer& layer, const reconstruct::Gram& gram, const std::optional<Pattern>& pattern,
                           ThreadPool& pool);

}  // namespace edgesmith::passes::prune
