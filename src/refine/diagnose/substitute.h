// SPDX-License-Identifier: Apache-2.0
// Some nodes of one graph computed as another graph computes their counterparts.
//
//   float:  x ─▶ conv ─▶ relu ─▶ y          conv with its int8 weights, y rounded to codes: what that node costs alone
//   int8:   x' ─▶ conv(int8) ─▶ relu ─▶ y' q
#pragma once

#include <vector>

#include "edgesmith/ir/graph.h"
#include "refine/diagnose/match.h"

namespace edgesmith::refine::diagnose {

/// From the nodes and values of the graph that is changed to those of the graph that nodes are taken from, by id.
struct Counterparts {
  const std::vector<int>& donor_node;  ///< by node id of the host; -1: none
  const std::vector<int>& host_value;  ///< by value id of the donor; -1: none
};

/// A copy of `host` in which every node with `chosen` (by node id) is computed as in `donor`: by its counterpart, with
/// the nodes between that and values which have counterparts. Constants and annotations come along. A value that loses
/// its annotation keeps it for readers that are not chosen and compute on codes. Ids of what is not replaced stay.
ir::Graph substitute(const ir::Graph& host, const ir::Graph& donor, const Counterparts& counterparts,
                     const std::vector<bool>& chosen);

/// A copy of `host` that computes the nodes in `chosen` (by node id) in both ways from the host's own values.
struct Twins {
  ir::Graph graph;
  std::vector<int> twin_value;  ///< by value id of the host: the first result of the counterpart, unrounded; -1: none
};
Twins add_twins(const ir::Graph& host, const ir::Graph& donor, const Counterparts& counterparts,
                const std::vector<bool>& chosen);

/// Whether a node reads or makes codes: an operand that is an affine constant, or an annotated result.
bool works_on_codes(const ir::Node& node);

}  // namespace edgesmith::refine::diagnose
