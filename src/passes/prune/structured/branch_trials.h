// SPDX-License-Identifier: Apache-2.0
// What a model is without some of its branches, when the layers before them make up for it.
#pragma once

#include <vector>

#include "passes/prune/structured/branches.h"
#include "passes/prune/structured/observe_rows.h"
#include "passes/quantize/stream.h"

namespace edgesmith::passes::prune {

/// The layers as they are in a copy of their graph; those that are not there any more have no node.
std::vector<MixLayer> layers_in(ir::Graph& graph, std::vector<MixLayer> layers);

/// Branches that are gone from a graph.
class GoneBranches {
 public:
  GoneBranches() = default;
  explicit GoneBranches(const std::vector<Branch>& branches)
      : branches_(branches), gone_(branches.size(), false), by_mean_(branches.size(), false) {}

  bool is_gone(size_t branch) const { return gone_[branch]; }
  /// The layer that can make up for a branch, by index, when those that are gone are; -1: none is left.
  int stand_in(size_t branch, const std::vector<MixLayer>& layers) const;
  /// The value of the original that a value of the graph stands for now.
  int stands_for(int value) const;
  /// What a layer is to give now: fills its target and minus.
  void aim(const ir::Node& layer, WantedRows& want) const;
  /// By value id: results of sums that a mean was put into.
  std::vector<int> sums_with_means() const;
  /// Takes a branch out of the graph, without refitting anything. `mean` takes its place where no layer can.
  void take(ir::Graph& graph, size_t branch, const std::vector<MixLayer>& layers, const ir::Tensor& mean);
  /// Says that it is gone, like `take`.
  void add(size_t branch, bool by_mean);

 private:
  std::vector<Branch> branches_;
  std::vector<bool> gone_, by_mean_;
};

/// The mean of every branch's result over samples and positions, by channel, as the Add takes it. `map` is of `graph`.
/// Errors: those of the runs.
Result<std::vector<ir::Tensor>> branch_means(const ir::Graph& graph, const ChannelMap& map,
                                             const std::vector<Branch>& branches, const quantize::Stream& stream);

/// Copies of `now`, which is `original` without `gone`: each has lost one of `candidates` more, and the layer that can
/// make up for it is refitted to the sum that the branch went into. `layers` are those of the original. Errors: those
/// of the runs.
Result<std::vector<ir::Graph>> without_each(ir::Graph& now, const ir::Graph& original, const GoneBranches& gone,
                                            const std::vector<size_t>& candidates, const std::vector<MixLayer>& layers,
                                            const std::vector<ir::Tensor>& means, const quantize::Stream& stream);

}  // namespace edgesmith::passes::prune
