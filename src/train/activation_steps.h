// SPDX-License-Identifier: Apache-2.0
// The grids of the values between operators whose steps are learned.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "edgesmith/ir/graph.h"
#include "train/grid.h"

namespace edgesmith::train {

/// Values that share a scale, and so a step.
struct StepGroup {
  std::string name;  ///< of the step's parameter
  std::vector<ir::Value*> values;
  float scale = 1, low = 0, high = 0;  ///< now; codes without zero point
  /// The largest scale: codes must not reach beyond the Clip before them, or runtimes could not drop it.
  std::optional<float> largest;
};

/// The groups of annotated values whose scales may change, in graph order. Those of graph inputs, of operators with a
/// known range (Softmax) and of values tied to a constant's codes stay.
std::vector<StepGroup> find_step_groups(const ir::Graph& graph);

/// The scale for a learned step.
float used_scale(const StepGroup& group, float learned);
/// Numbers of a sample that share the step.
int64_t numbers_of(const StepGroup& group);

/// What readers of the group's values see from then on: the values on a grid with the step `learned`, a scalar made
/// before all that computes. Their annotations go.
void build_steps(ir::Graph& graph, NodeMaker& head, const StepGroup& group, ir::Value& learned);

}  // namespace edgesmith::train
