// SPDX-License-Identifier: Apache-2.0
// The cheapest way to cut a directed network in two.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace edgesmith::passes::select {

/// Nodes are numbered from 0; two of them are the source and the sink. The cost of a cut is the capacity of all edges
/// that lead from the source's side to the sink's.
class MinCut {
 public:
  static constexpr int kSource = 0, kSink = 1;
  /// The capacity of an edge that no cut may cross: more than all others together.
  static constexpr int64_t kNever = int64_t{1} << 60;

  MinCut();
  int add_node();
  /// `capacity` is at least 0.
  void add_edge(int from, int to, int64_t capacity);

  /// Finds the cheapest cut and returns its cost; of several, the one with the most nodes on the source's side. By
  /// Dinic's algorithm: O(nodes^2 * edges) at worst, far less on the sparse networks here. Call it once.
  int64_t solve();
  /// After solve().
  bool with_source(int node) const { return with_source_[static_cast<size_t>(node)]; }

 private:
  struct Edge {
    int to;
    int64_t left;  ///< capacity that no flow uses yet; the opposite edge stands beside it (index ^ 1)
  };
  bool find_levels();
  int64_t push(int node, int64_t flow);

  std::vector<Edge> edges_;
  std::vector<std::vector<int>> edges_of_;  ///< by node: indices of the edges that leave it
  std::vector<int> level_;
  std::vector<size_t> next_;  ///< by node: the first edge that is not exhausted in this phase
  std::vector<bool> with_source_;
};

}  // namespace edgesmith::passes::select
