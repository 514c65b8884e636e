// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "edgesmith/passes/pass.h"
#include "passes/prune/structured/settings.h"

namespace edgesmith::passes::prune {

/// Where no channel of `graph` may go: how many may after `simplify`, tried on a copy, as the end of a note; "" when
/// none may either. Norms that are spelled out and shapes that the graph computes need all channels.
std::string simplify_hint(const ir::Graph& graph, const Options& options, const ChannelSettings& settings,
                          const PassContext& context);

}  // namespace edgesmith::passes::prune
