// SPDX-License-Identifier: Apache-2.0
// Takes channels out of a graph: out of the constants that make them, those that read them, and what stands between.
#pragma once

#include <vector>

#include "edgesmith/base/result.h"
#include "passes/channels/channel_map.h"

namespace edgesmith::passes {

/// Removes the channels with `removed[id]`: whole groups, no pinned ones, and never all of a value. What layers read of
/// them is dropped. Types are fresh afterwards. Errors: those of type inference (a bug).
Status remove_channels(ir::Graph& graph, const ChannelMap& map, const std::vector<bool>& removed);

}  // namespace edgesmith::passes
