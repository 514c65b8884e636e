// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

#include "passes/rewrite.h"

namespace edgesmith::passes {

/// Calls `simplify` for the branches of every If and the body of every Loop and Scan of `graph`, with what is known
/// there of the values around them. Nodes stop reading what nothing inside reads any more. What `simplify` does with
/// the nodes inside of those graphs is its own affair: it may call this again.
Change simplify_bodies(ir::Graph& graph, const std::function<Result<Change>(ir::Graph& body)>& simplify);

/// Operators of the graph, those inside of If, Loop and Scan included.
int count_nodes(const ir::Graph& graph);

}  // namespace edgesmith::passes
