// SPDX-License-Identifier: Apache-2.0
#include "onnx/node_order.h"

#include <algorithm>
#include <functional>
#include <map>
#include <queue>

#include "edgesmith/ir/op_kind.h"

namespace edgesmith::onnx {
namespace {

constexpr size_t kShownInCycle = 8;

/// Walks from an unplaced node to an unplaced producer until a node comes again.
std::string cycle_text(const std::vector<NodeView>& nodes, const std::vector<std::vector<size_t>>& producers,
                       const std::vector<bool>& placed) {
  size_t at = static_cast<size_t>(std::find(placed.begin(), placed.end(), false) - placed.begin());
  std::vector<size_t> path;
  while (std::find(path.begin(), path.end(), at) == path.end()) {
    path.push_back(at);
    at = *std::find_if(producers[at].begin(), producers[at].end(), [&](size_t p) { return !placed[p]; });
  }
  path.erase(path.begin(), std::find(path.begin(), path.end(), at));
  std::reverse(path.begin(), path.end());  // from producer to reader
  std::rotate(path.begin(), std::min_element(path.begin(), path.end()), path.end());
  std::string text;
  for (size_t i = 0; i < path.size() && i < kShownInCycle; ++i) text += describe(nodes[path[i]]) + " -> ";
  if (path.size() > kShownInCycle) text += "... -> ";
  return text + describe(nodes[path.front()]);
}

}  // namespace

std::string describe(const NodeView& node) {
  const auto known = node.domain.empty() ? ir::op_from_onnx_name(node.op_type) : std::nullopt;
  std::string text(known ? ir::op_name(*known) : node.op_type);
  if (!node.domain.empty()) text = std::string(node.domain) + "::" + text;
  if (!node.name.empty()) return text + " '" + std::string(node.name) + "'";
  if (!node.outputs.empty()) return text + " producing '" + std::string(node.outputs.front()) + "'";
  return text;
}

Result<std::vector<size_t>> topological_order(const std::vector<NodeView>& nodes, const std::vector<NodeReads>& reads) {
  std::map<std::string_view, size_t> producer;
  for (size_t i = 0; i < nodes.size(); ++i) {
    for (std::string_view output : nodes[i].outputs) producer.emplace(output, i);
  }
  std::vector<std::vector<size_t>> producers(nodes.size()), readers(nodes.size());
  std::vector<size_t> missing(nodes.size(), 0);
  std::priority_queue<size_t, std::vector<size_t>, std::greater<>> ready;
  for (size_t i = 0; i < nodes.size(); ++i) {
    for (const std::string& name : reads[i].names) {
      const auto found = producer.find(name);
      if (found == producer.end()) continue;
      producers[i].push_back(found->second);
      readers[found->second].push_back(i);
    }
    missing[i] = producers[i].size();
    if (missing[i] == 0) ready.push(i);
  }
  std::vector<size_t> order;
  std::vector<bool> placed(nodes.size(), false);
  while (!ready.empty()) {
    const size_t node = ready.top();
    ready.pop();
    placed[node] = true;
    order.push_back(node);
    for (size_t reader : readers[node]) {
      if (--missing[reader] == 0) ready.push(reader);
    }
  }
  if (order.size() == nodes.size()) return order;
  return invalid_error("the graph has a cycle: " + cycle_text(nodes, producers, placed),
                       "a node cannot depend on its own result");
}

}  // namespace edgesmith::onnx
