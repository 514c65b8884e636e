// SPDX-License-Identifier: Apache-2.0
// How many channels every group loses.
#pragma once

#include <cstdint>
#include <vector>

#include "passes/prune/structured/branches.h"
#include "passes/prune/structured/fit.h"
#include "passes/prune/structured/groups.h"

namespace edgesmith::passes::prune {

/// What is counted: multiply-adds, parameters, channels, or what stands for time: the multiply-adds of kernels that
/// fill vectors with channels, and what it takes to move the results.
enum class Cost { macs, params, channels, time };

/// What the model costs when groups lose units and branches go.
class CostModel {
 public:
  /// `lanes`: channels in a vector, for `time`.
  CostModel(const ir::Graph& graph, const ChannelMap& map, const std::vector<ChannelGroup>& groups,
            const std::vector<Branch>& branches, Cost cost, int64_t lanes = 1);
  /// `removed`: units by group, then 0 or 1 by branch.
  double of(const std::vector<int64_t>& removed) const;

 private:
  struct Term {
    double factor = 0;
    int input = -1, output = -1;   ///< spaces whose sizes multiply it; -1: none
    std::vector<size_t> branches;  ///< that it goes with: places in `removed`
  };
  double lanes_ = 1;
  std::vector<Term> terms_;
  std::vector<std::vector<std::pair<size_t, int64_t>>> groups_of_;  ///< by space: groups, channels a unit
  std::vector<int64_t> sizes_;                                      ///< by space
};

/// Numbers of units that a group may lose, ascending from 0: what is left is a multiple of `multiple`, and at least
/// one. Unless `strict`, it is halved until a group has two.
std::vector<int64_t> steps_of(const ChannelGroup& group, int64_t multiple, bool strict);

/// At most this much of a cost.
struct Limit {
  const CostModel* model = nullptr;
  double most = 0;
};

/// What may go, place by place: groups, then branches (steps 0 and 1).
struct Removals {
  std::vector<std::vector<int64_t>> steps;
  std::vector<UnitTrace> traces;
  std::vector<std::vector<size_t>> inside;  ///< places of the branches that take it along, whose errors count instead
};

/// The cheapest removals by error for each of what they save, until all limits are met; then what need not have gone
/// comes back. `removed`: what is gone already, and stays so. Empty: it cannot be reached.
std::vector<int64_t> share_by_error(const std::vector<Limit>& limits, const Removals& removals,
                                    std::vector<int64_t> removed);
/// Every group loses the same share, the smallest one that leaves at most `budget`. Empty: it cannot be reached.
std::vector<int64_t> share_evenly(const CostModel& model, const std::vector<std::vector<int64_t>>& steps,
                                  const std::vector<ChannelGroup>& groups, double budget);

/// What every group loses when it loses `share` of its units.
std::vector<int64_t> lose_share(const std::vector<std::vector<int64_t>>& steps, const std::vector<ChannelGroup>& groups,
                                double share);

}  // namespace edgesmith::passes::prune
