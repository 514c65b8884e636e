// SPDX-License-Identifier: Apache-2.0
// Takes channels out of a graph, or puts them in another order: in the constants that make them, those that read them,
// and what stands between.
#pragma once

#include <vector>

#include "edgesmith/base/result.h"
#include "passes/channels/channel_map.h"

namespace edgesmith::passes {

/// Removes the channels with `removed[id]`: whole groups, no pinned ones, and never all of a value. What layers read of
/// them is dropped. Types are fresh afterwards. Errors: those of type inference (a bug).
Status remove_channels(ir::Graph& graph, const ChannelMap& map, const std::vector<bool>& removed);

/// Channel `order[space][i]` of before becomes channel i; every list is a permutation. Answers stay the same, but for
/// the order of sums. False, and nothing changes, when the orders of values that belong together do not agree.
/// Errors: as above.
Result<bool> reorder_channels(ir::Graph& graph, const ChannelMap& map, const std::vector<std::vector<int64_t>>& order);

}  // namespace edgesmith::passes
