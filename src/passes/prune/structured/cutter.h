// SPDX-License-Identifier: Apache-2.0
// Takes units of channels out of a graph or a copy of it.
#pragma once

#include <cstdint>
#include <vector>

#include "passes/prune/structured/candidates.h"
#include "passes/prune/structured/reader_sums.h"

namespace edgesmith::passes::prune {

/// `removed`, here: by group, the number of units that go, which are the first of the group's trace. Places of
/// branches may follow; they are not looked at.
class Cutter {
 public:
  /// `refit`: layers that read channels which go are refitted to what they gave.
  Cutter(const Candidates& candidates, const ReaderSums& sums, const std::vector<UnitTrace>& traces, bool refit,
         ThreadPool& pool)
      : candidates_(candidates), sums_(sums), traces_(traces), refit_(refit), pool_(pool) {}

  /// By channel id.
  std::vector<bool> channels_gone(const std::vector<int64_t>& removed) const;
  /// By space: the channels that are left.
  std::vector<std::vector<int64_t>> channels_kept(const std::vector<int64_t>& removed) const;
  /// `graph`: that of the candidates or a copy. Errors: those of shape inference.
  Status cut(ir::Graph& graph, const std::vector<int64_t>& removed) const;

 private:
  const Candidates& candidates_;
  const ReaderSums& sums_;
  const std::vector<UnitTrace>& traces_;
  bool refit_;
  ThreadPool& pool_;
};

}  // namespace edgesmith::passes::prune
