// SPDX-License-Identifier: Apache-2.0
// Graph attributes of nodes that we keep as they are: which outer values they read, and the same under other names.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "onnx/proto.h"

namespace edgesmith::onnx {

/// Bodies within bodies at most: each takes a call of its own.
inline constexpr int kMaxDepth = 32;

/// Names that the subgraphs of `node` read from the scope around it, each once, in order of first use.
/// Errors: invalid (malformed, nested too deeply).
Result<std::vector<std::string>> captured_names(const NodeView& node);

/// Adds every name that is defined inside the subgraphs of `node`: names made outside must not hide them.
void collect_inner_names(const NodeView& node, std::set<std::string>& names);

/// Calls `visit` for every node inside the subgraphs of `node`, at any depth.
template <typename Visit>
void for_each_inner_node(const NodeView& node, const Visit& visit);

/// The encoded NodeProto with these inputs and outputs, and with outer values renamed inside its subgraphs.
std::string rename_node(const wire::Message& message, const std::vector<std::string>& inputs,
                        const std::vector<std::string>& outputs, const std::map<std::string, std::string>& renamed);

/// The encoded NodeProto with these inputs and outputs, and with encoded GraphProtos in the place of those in the
/// attributes of these names.
std::string with_graphs(const wire::Message& message, const std::vector<std::string>& inputs,
                        const std::vector<std::string>& outputs, const std::map<std::string, std::string>& graphs);

/// The graphs in the attributes of `node`.
Result<std::vector<GraphView>> subgraphs(const NodeView& node);

template <typename Visit>
void for_each_inner_node(const NodeView& node, const Visit& visit) {
  const auto graphs = subgraphs(node);
  if (!graphs) return;
  for (const GraphView& graph : *graphs) {
    for (const NodeView& inner : graph.nodes) {
      visit(inner);
      for_each_inner_node(inner, visit);
    }
  }
}

}  // namespace edgesmith::onnx
