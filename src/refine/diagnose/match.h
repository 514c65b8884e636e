// SPDX-License-Identifier: Apache-2.0
// Which node of a compressed model is which of the float one, whatever the nodes are called.
#pragma once

#include <vector>

#include "edgesmith/ir/graph.h"

namespace edgesmith::refine::diagnose {

/// An id as an index of a side table.
inline size_t at(int id) { return static_cast<size_t>(id); }

/// Counterparts of nodes and values of two graphs, by id; -1: none.
struct Match {
  std::vector<int> other_node, float_node;       ///< by node id of the float graph, and of the other
  std::vector<int> other_value, float_value;     ///< by value id
  int unmatched_float = 0, unmatched_other = 0;  ///< nodes that compute on floats and have no counterpart
};

/// Walks `other` in order: a node is that node of `original` which has the same operator and reads the counterparts of
/// what it reads. Identity, Cast between floats, QuantizeLinear and DequantizeLinear are looked through, and clamps
/// that only one of the two has (a runtime's quantizer drops a Relu whose zero is the lowest code). Of several
/// candidates one with the same name is taken, then the first. What the flow does not tell, names do, and then the
/// order of those of one operator that are left, where there are as many on either side.
Match match_graphs(const ir::Graph& original, const ir::Graph& other);

}  // namespace edgesmith::refine::diagnose
