// SPDX-License-Identifier: Apache-2.0
// What chooses its precision: a node with the clamps after it, which run in its kernel.
#pragma once

#include <vector>

#include "edgesmith/ir/graph.h"
#include "edgesmith/targets/target.h"

namespace edgesmith::passes::select {

/// A Conv and the Relu that reads it alone, say.
struct Unit {
  std::vector<ir::Node*> nodes;  ///< the node that computes first, then its clamps
  int choice = -1;               ///< rank among the units that compute on codes; -1: floats in any case
};

struct Units {
  std::vector<Unit> list;    ///< in graph order
  std::vector<int> of_node;  ///< by node id; -1 for inputs, constants and the output node
  int num_choices = 0;

  /// The choice that a node depends on, or -1.
  int choice_of(const ir::Node& node) const {
    const int unit = of_node[static_cast<size_t>(node.id())];
    return unit < 0 ? -1 : list[static_cast<size_t>(unit)].choice;
  }
};

/// A unit may choose when the target computes it on codes as the graph stands.
Units find_units(const ir::Graph& graph, const targets::Target& target);

}  // namespace edgesmith::passes::select
