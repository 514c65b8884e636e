// SPDX-License-Identifier: Apache-2.0
// E. A. Dinic, "Algorithm for solution of a problem of maximum flow in networks with power estimation", 1970: flow is
// pushed along shortest ways, all of one length at a time, until the sink is cut off.
#include "passes/select/min_cut.h"

#include <algorithm>

namespace edgesmith::passes::select {

MinCut::MinCut() : edges_of_(2) {}

int MinCut::add_node() {
  edges_of_.emplace_back();
  return static_cast<int>(edges_of_.size()) - 1;
}

void MinCut::add_edge(int from, int to, int64_t capacity) {
  edges_of_[static_cast<size_t>(from)].push_back(static_cast<int>(edges_.size()));
  edges_.push_back({to, capacity});
  edges_of_[static_cast<size_t>(to)].push_back(static_cast<int>(edges_.size()));
  edges_.push_back({from, 0});
}

bool MinCut::find_levels() {
  level_.assign(edges_of_.size(), -1);
  level_[kSource] = 0;
  std::vector<int> queue = {kSource};
  for (size_t at = 0; at < queue.size(); ++at) {
    const int node = queue[at];
    for (const int index : edges_of_[static_cast<size_t>(node)]) {
      const Edge& edge = edges_[static_cast<size_t>(index)];
      int& level = level_[static_cast<size_t>(edge.to)];
      if (edge.left == 0 || level >= 0) continue;
      level = level_[static_cast<size_t>(node)] + 1;
      queue.push_back(edge.to);
    }
  }
  return level_[kSink] >= 0;
}

int64_t MinCut::push(int node, int64_t flow) {
  if (node == kSink) return flow;
  const auto& leaving = edges_of_[static_cast<size_t>(node)];
  for (size_t& at = next_[static_cast<size_t>(node)]; at < leaving.size(); ++at) {
    const auto index = static_cast<size_t>(leaving[at]);
    const int to = edges_[index].to;
    const bool onward = level_[static_cast<size_t>(to)] == level_[static_cast<size_t>(node)] + 1;
    if (edges_[index].left == 0 || !onward) continue;
    const int64_t pushed = push(to, std::min(flow, edges_[index].left));
    if (pushed == 0) continue;
    edges_[index].left -= pushed;
    edges_[index ^ 1].left += pushed;
    return pushed;
  }
  return 0;
}

int64_t MinCut::solve() {
  int64_t total = 0;
  while (find_levels()) {
    next_.assign(edges_of_.size(), 0);
    while (const int64_t flow = push(kSource, kNever)) total += flow;
  }
  // Whoever can still reach the sink stays with it; the rest is the largest side that the source can have.
  with_source_.assign(edges_of_.size(), true);
  with_source_[kSink] = false;
  std::vector<int> queue = {kSink};
  for (size_t at = 0; at < queue.size(); ++at) {
    for (const int index : edges_of_[static_cast<size_t>(queue[at])]) {
      const auto before = static_cast<size_t>(edges_[static_cast<size_t>(index)].to);
      if (edges_[static_cast<size_t>(index) ^ 1].left == 0 || !with_source_[before]) continue;
      with_source_[before] = false;
      queue.push_back(static_cast<int>(before));
    }
  }
  return total;
}

}  // namespace edgesmith::passes::select
