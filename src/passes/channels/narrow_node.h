// SPDX-License-Identifier: Apache-2.0
// What a node states about sizes, when it has fewer slices than before: groups and heads, the shape that a Reshape asks
// for, where a Slice cuts.
#pragma once

#include <cstdint>
#include <vector>

#include "edgesmith/ir/graph.h"
#include "edgesmith/ops/channels.h"

namespace edgesmith::passes {

/// The slices of one link that are left, by their places before.
struct NarrowedLink {
  ops::SliceLink link;
  int result_axis = 0;
  const std::vector<int64_t>* operand = nullptr;  ///< null: a constant, or nothing known
  const std::vector<int64_t>* result = nullptr;
  int64_t operand_size = 0, result_size = 0;  ///< before
};

/// Rewrites attributes and constant operands of a node whose links these are; types are as they were before.
void narrow_node(ir::Graph& graph, ir::Node& node, const std::vector<NarrowedLink>& links);

/// Operand `index` reads `tensor`; other readers of the constant that it read keep that.
void replace_constant(ir::Graph& graph, ir::Node& node, int index, ir::Tensor tensor);

}  // namespace edgesmith::passes
