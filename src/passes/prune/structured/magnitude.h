// SPDX-License-Identifier: Apache-2.0
// Which channels go first when there are no data.
#pragma once

#include <vector>

#include "passes/prune/structured/fit.h"

namespace edgesmith::passes::prune {

/// Units by the squares of the weights that make them, each as a share of its layer's.
UnitTrace trace_by_magnitude(const ChannelGroup& group, const ChannelMap& map, const std::vector<MixLayer>& layers);

}  // namespace edgesmith::passes::prune
