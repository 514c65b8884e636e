// SPDX-License-Identifier: Apache-2.0
// Zero padding that a window can do by itself.
#pragma once

#include "edgesmith/ir/graph.h"

namespace edgesmith::passes {

/// Moves the zero Pad before `node`, a Conv or AveragePool, into its window. The Pad stays, for others that read it.
/// False: there is none, or its pads are not known or not of spatial dims.
bool fuse_pad(ir::Graph& graph, ir::Node& node);

}  // namespace edgesmith::passes
