// SPDX-License-Identifier: Apache-2.0
// Memory and time of a model on the target, for the budgets of the gate.
#pragma once

#include <vector>

#include "edgesmith/base/progress.h"
#include "edgesmith/base/result.h"
#include "edgesmith/data/dataset.h"
#include "edgesmith/ir/graph.h"
#include "edgesmith/refine/gate.h"
#include "edgesmith/runtime/executor.h"
#include "edgesmith/targets/target.h"

namespace edgesmith::refine {

/// Errors: usage (a budget of time for a target whose profile has no clock: nothing says how long anything takes).
Status check_time_budgets(const Gate& gate, const targets::Target& target);

/// A model, and the data that it takes (null: seeded numbers are fed to time it).
struct NeedyModel {
  const ir::Graph* graph = nullptr;
  const data::Dataset* data = nullptr;
};

/// What `model` needs of `target`, as far as `gate` asks. Times of the target "host" are medians of many runs here, of
/// both models in turns on one thread; those of other targets are estimated (passes/node_cost.h). Errors: those of
/// bench() and of reading samples.
Result<TargetNeeds> target_needs(const Gate& gate, const targets::Target& target, const NeedyModel& original,
                                 const NeedyModel& model, const runtime::ExecutorOptions& executor,
                                 ProgressSink* progress);

}  // namespace edgesmith::refine
