// SPDX-License-Identifier: Apache-2.0
// Residual branches that may go as a whole.
//
//   %c = conv %s, %w      the branch: it ends in the Add and nowhere else
//   %a = add %c, %s
//   %y = relu %a          =>   %y stands for what it was, made by the layer before %s
#pragma once

#include <string>
#include <vector>

#include "passes/prune/structured/groups.h"

namespace edgesmith::passes::prune {

/// Nodes whose only way out is one operand of an Add. All fields hold for copies of the graph too.
struct Branch {
  std::string name;          ///< of its last layer
  int add = -1;              ///< node id
  int operand = 0;           ///< of the Add: the branch's result
  int space = -1;            ///< of that
  std::vector<int> nodes;    ///< ids in graph order
  int64_t layers = 0;        ///< among them
  std::vector<bool> spaces;  ///< by space: made by one of them

  /// The layer that can make up for it: its result, with the residual sum that it goes into (`base`) and an activation,
  /// is the Add's other operand, and nobody else reads that. -1: there is none, and the branch's mean stands for it.
  int stand_in = -1;  ///< index of the layer
  int base = -1;      ///< value id: what takes the place of the sum
  int sum = -1;       ///< value id: the Add's result
};

/// The branches with layers in them, in graph order. One of the two operands of an Add, the one with more
/// multiply-adds; none that holds a layer that is not `selected` (by node id), or all that reads a graph input.
std::vector<Branch> find_branches(const ir::Graph& graph, const ChannelMap& map, const std::vector<MixLayer>& layers,
                                  const std::vector<bool>& selected);

/// The value that the layer's result is summed up to: that of a residual Add that reads it and nothing else does, or
/// the result itself. `other`: the Add's other operand, or null.
const ir::Value& residual_sum(const ir::Node& layer, const ir::Value** other = nullptr);

/// Takes the branch out of the graph it was found in or a copy. `mean` takes its place in the Add; without one the Add
/// goes too, and with it an activation that came before it already.
void remove_branch(ir::Graph& graph, const Branch& branch, const ir::Tensor* mean);

}  // namespace edgesmith::passes::prune
