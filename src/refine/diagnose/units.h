// SPDX-License-Identifier: Apache-2.0
// What is blamed: a node of the float model with the clamps behind it, which share its codes.
#pragma once

#include <optional>
#include <vector>

#include "edgesmith/ir/graph.h"
#include "edgesmith/refine/diagnose.h"
#include "refine/diagnose/match.h"

namespace edgesmith::refine::diagnose {

struct Unit {
  std::vector<const ir::Node*> nodes;  ///< of the float graph: the node, then its clamps
  const ir::Node* other = nullptr;     ///< counterpart of the first; null: none
  bool differs = false;                ///< constants, operators or codes differ
  bool fits = true;                    ///< may be computed as in the other graph: no constant has other dims
  bool own_constants = false;          ///< among them constants or operators
  std::vector<size_t> readers;         ///< units that read the result
  bool free_readers = true;            ///< only units read it (and the graph's results)

  const ir::Node& node() const { return *nodes.front(); }
  const ir::Value& result() const { return nodes.back()->output(); }
};

struct Units {
  std::vector<Unit> list;                        ///< in graph order
  std::vector<std::optional<ir::Quant>> quants;  ///< by value id of the float graph: codes in the other one
};

Units find_units(const ir::Graph& original, const ir::Graph& other, const Match& match);

/// The nodes of some units, by node id of the float graph, and of the other one.
std::vector<bool> nodes_of(const ir::Graph& original, const Units& units, const std::vector<size_t>& chosen);
std::vector<bool> other_nodes_of(const ir::Graph& other, const Match& match, const std::vector<bool>& original_nodes);

/// A Conv with as many groups as input channels.
bool is_depthwise(const ir::Node& node);

}  // namespace edgesmith::refine::diagnose
