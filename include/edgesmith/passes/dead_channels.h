// SPDX-License-Identifier: Apache-2.0
// Which channels `simplify` would remove.
#pragma once

#include <cstdint>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/ir/graph.h"

namespace edgesmith::passes {

/// Output channels of one layer.
struct LayerChannels {
  int node_id = 0;
  int64_t channels = 0;
  int64_t dead = 0;       ///< nobody reads them, or they are the same number whatever the input
  int64_t duplicate = 0;  ///< they repeat a channel that stays
};

struct DeadChannels {
  std::vector<LayerChannels> layers;  ///< all whose channels can be followed, in graph order
  int64_t removable = 0;              ///< channels that would go, those that go together counted once
};

/// What `eliminate-dead-channels` would remove from `graph`, to its fixed point, worked out on a copy. Layers with
/// compressed, annotated or tied weights are not listed: the pass leaves them alone. Errors: those of type inference (a
/// bug).
Result<DeadChannels> find_dead_channels(const ir::Graph& graph);

}  // namespace edgesmith::passes
