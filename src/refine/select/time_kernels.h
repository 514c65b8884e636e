// SPDX-License-Identifier: Apache-2.0
// Timing every kernel that may run a node, inside whole runs of the model.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "edgesmith/refine/select.h"

namespace edgesmith::refine {

/// What a step timer is told: the id of the step's first node, and the text of its kernel.
using StepKey = std::pair<int, std::string>;
inline StepKey key_of(const runtime::StepInfo& step) { return {step.node->id(), step.text}; }

using StepTimes = std::map<StepKey, KernelTime>;

/// Times all steps of `graph` under each of `variants`, which run in turns. Kernels that are many times slower than the
/// first variant's are not run again once that is plain. Errors: those of compiling and running; interrupted.
Result<StepTimes> time_steps(const ir::Graph& graph, const std::vector<ir::Tensor>& inputs,
                             const std::vector<runtime::KernelChoices>& variants, const SelectOptions& options);

}  // namespace edgesmith::refine
