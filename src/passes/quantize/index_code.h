// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "edgesmith/ir/graph.h"

namespace edgesmith::passes::quantize {

/// Marks, by value id, the values that must keep every bit because they are about positions, not pictures: what is
/// computed from shapes alone, and what ends as the indices, sizes, pads or axes of another operator.
std::vector<bool> find_index_code(const ir::Graph& graph);

}  // namespace edgesmith::passes::quantize
