// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "edgesmith/ir/graph.h"

namespace edgesmith::passes {

/// What is inside of a node: branches, bodies, functions.
struct InnerCost {
  int64_t macs = 0;     ///< of the costlier branch of an If; of one step of Loop and Scan, whose number nobody knows
  int64_t params = 0;   ///< numbers in float constants of rank 1 and more, of every branch
  int64_t nonzero = 0;  ///< of them not zero
};

/// Zero for nodes without anything inside. `node` belongs to a graph with inferred types. `look_at_weights`: false
/// takes every number for one that is not zero.
InnerCost inner_cost(const ir::Node& node, bool look_at_weights = true);

/// True for a constant whose numbers are parameters: floats, or the codes that an operator on integers, or one that
/// others spell out, multiplies. Scalars are settings (the bounds of a Clip, the value of a Pad).
bool is_parameter(const ir::Node& constant);

/// True for an operator that computes on codes of the run as it was read: MatMulInteger, DynamicQuantizeLSTM, ...
bool is_dynamic(const ir::Node& node);

}  // namespace edgesmith::passes
