// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "onnx/proto.h"

namespace edgesmith::onnx {

/// "conv 'stem'", "conv producing 'x'": a node of the file, named as ir::Node::label() names ours.
std::string describe(const NodeView& node);

/// What a node of the file reads: its inputs without the absent ones, and the outer values of its subgraphs.
struct NodeReads {
  std::vector<std::string> names;
};

/// Positions of `nodes` in an order in which producers come first; the file's own order where that is possible.
/// Errors: invalid, naming the nodes of a cycle.
Result<std::vector<size_t>> topological_order(const std::vector<NodeView>& nodes, const std::vector<NodeReads>& reads);

}  // namespace edgesmith::onnx
