// SPDX-License-Identifier: Apache-2.0
// The network: who ends with the source goes the first way.
//
//   source ─second─▶ item ─first─▶ sink            the edge of the way that is not gone is cut
//   pivot ─cost─▶ helper ─never─▶ each other       pivot first, any other second: the helper must go with the others
//   each other ─never─▶ helper ─cost─▶ pivot       pivot second, any other first
#include "passes/select/binary_choice.h"

#include <algorithm>

#include "passes/select/min_cut.h"

namespace edgesmith::passes::select {

int64_t BinaryChoice::cost_of(const std::vector<bool>& first) const {
  const auto goes_first = [&](int item) { return item != kSecond && first[static_cast<size_t>(item)]; };
  int64_t cost = 0;
  for (size_t i = 0; i < items.size(); ++i) cost += first[i] ? items[i].first : items[i].second;
  for (const Difference& difference : differences) {
    const bool differs = std::any_of(difference.others.begin(), difference.others.end(),
                                     [&](int other) { return goes_first(other) != difference.pivot_first; });
    if (goes_first(difference.pivot) == difference.pivot_first && differs) cost += difference.cost;
  }
  return cost;
}

std::vector<bool> BinaryChoice::solve() const {
  MinCut network;
  const auto node_of = [](int item) { return item == kSecond ? MinCut::kSink : item + 2; };
  for (const Item& item : items) {
    const int node = network.add_node();
    network.add_edge(MinCut::kSource, node, item.second);
    network.add_edge(node, MinCut::kSink, item.first);
  }
  for (const Difference& difference : differences) {
    const int pivot = node_of(difference.pivot), helper = network.add_node();
    const auto connect = [&](int from, int to, int64_t capacity) {
      if (difference.pivot_first) network.add_edge(from, to, capacity);
      if (!difference.pivot_first) network.add_edge(to, from, capacity);
    };
    connect(pivot, helper, difference.cost);
    for (const int other : difference.others) connect(helper, node_of(other), MinCut::kNever);
  }
  network.solve();
  std::vector<bool> first;
  for (size_t i = 0; i < items.size(); ++i) first.push_back(network.with_source(node_of(static_cast<int>(i))));
  return first;
}

}  // namespace edgesmith::passes::select
