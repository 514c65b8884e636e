// SPDX-License-Identifier: Apache-2.0
// How many channels every group loses.
#pragma once

#include <cstdint>
#include <vector>

#include "passes/prune/structured/fit.h"
#include "passes/prune/structured/groups.h"

namespace edgesmith::passes::prune {

/// What is counted: multiply-adds, parameters, or channels.
enum class Cost { macs, params, channels };

/// What the model costs when groups lose units.
class CostModel {
 public:
  CostModel(const ir::Graph& graph, const ChannelMap& map, const std::vector<ChannelGroup>& groups, Cost cost);
  /// `removed`: units by group.
  double of(const std::vector<int64_t>& removed) const;

 private:
  struct Term {
    double factor = 0;
    int input = -1, output = -1;  ///< spaces whose sizes multiply it; -1: none
  };
  std::vector<Term> terms_;
  std::vector<std::vector<std::pair<size_t, int64_t>>> groups_of_;  ///< by space: groups, channels a unit
  std::vector<int64_t> sizes_;                                      ///< by space
};

/// Numbers of units that a group may lose, ascending from 0: what is left is a multiple of `multiple`, and at least
/// one. Unless `strict`, it is halved until a group has two.
std::vector<int64_t> steps_of(const ChannelGroup& group, int64_t multiple, bool strict);

/// The cheapest removals by error for each of what they save, until at most `budget` is left; then what need not have
/// gone comes back. Empty: it cannot be reached.
std::vector<int64_t> share_by_error(const CostModel& model, const std::vector<std::vector<int64_t>>& steps,
                                    const std::vector<UnitTrace>& traces, double budget);
/// Every group loses the same share, the smallest one that leaves at most `budget`. Empty: it cannot be reached.
std::vector<int64_t> share_evenly(const CostModel& model, const std::vector<std::vector<int64_t>>& steps,
                                  const std::vector<ChannelGroup>& groups, double budget);

/// What every group loses when it loses `share` of its units.
std::vector<int64_t> lose_share(const std::vector<std::vector<int64_t>>& steps, const std::vector<ChannelGroup>& groups,
                                double share);

}  // namespace edgesmith::passes::prune
