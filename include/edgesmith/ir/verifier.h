// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "edgesmith/base/result.h"
#include "edgesmith/ir/graph.h"

namespace edgesmith::ir {

/// Checks the invariants of docs/ir.md: producers before readers, use lists true, no operand of an erased node, every
/// result present, annotations well formed. Passes keep them; a violation is our bug or a hostile file.
/// Errors: invalid, naming the node. Linear in the size of the graph.
Status verify(const Graph& graph);

}  // namespace edgesmith::ir
