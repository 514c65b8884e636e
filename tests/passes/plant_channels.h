// SPDX-License-Identifier: Apache-2.0
// Puts channels that do nothing into a graph, for tests that take them out again.
#pragma once

#include "edgesmith/base/random.h"
#include "edgesmith/ir/graph.h"

namespace edgesmith::testing {

/// Into every chain layer - element-wise, pools, depthwise convolutions, flatten - layer, one channel that nobody
/// reads, one that is zero, or one that repeats another, at a random place. Results stay what they were. Returns how
/// many. Types are fresh afterwards.
int plant_channels(ir::Graph& graph, Random& random);

/// Numbers in float32 constants.
int64_t count_parameters(const ir::Graph& graph);

}  // namespace edgesmith::testing
