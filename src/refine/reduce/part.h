// SPDX-License-Identifier: Apache-2.0
// A model made of some nodes of another one.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "edgesmith/ir/graph.h"

namespace edgesmith::refine {

/// A result of a part: a value of the whole graph, under this name.
struct PartResult {
  std::string name;
  const ir::Value* value = nullptr;
  ir::Type declared;
};

/// The results that `graph` has.
std::vector<PartResult> results_of(const ir::Graph& graph);
/// Operators: neither inputs, constants nor the output node. In order.
std::vector<const ir::Node*> operators_of(const ir::Graph& graph);

/// The graph of the nodes with keep[id] that `results` need. What they read of other nodes becomes an input; constants
/// come along. Nothing when a result is made by no kept node, or when an input would have no known element type.
std::optional<ir::Graph> part_of(const ir::Graph& graph, const std::vector<bool>& keep,
                                 const std::vector<PartResult>& results);
/// All nodes that the graph's own results need.
std::optional<ir::Graph> live_part(const ir::Graph& graph);

}  // namespace edgesmith::refine
