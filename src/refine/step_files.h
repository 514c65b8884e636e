// SPDX-License-Identifier: Apache-2.0
// Models between the steps of a run, as files that a later run begins behind (`run --keep-steps`, docs/cache.md).
// Unlike an entry of the cache, such a file is a model like any other, may come from another build or machine, and may
// be the result of a training with a time limit. What it was made by is in its metadata.
#pragma once

#include <string>
#include <vector>

#include "edgesmith/ir/graph.h"
#include "edgesmith/refine/recipe.h"
#include "edgesmith/refine/run_report.h"

namespace edgesmith::refine {

/// How a step ended.
struct StepEnd {
  StepStatus status = StepStatus::accepted;
  bool kept = true;
};

/// What the model after the first `count` steps depends on; the tool's version and the processor are not part of it.
struct StepOrigin {
  const Recipe* recipe = nullptr;
  std::string model_identity;  ///< of the original
  const std::vector<DataReport>* data = nullptr;
};

/// `folder`/steps/2-quantize.onnx for a `count` of 2.
std::string step_file(const std::string& folder, const Recipe& recipe, size_t count);

/// A copy of `graph` that says what it was made by and how each step ended.
ir::Graph with_step_origin(const ir::Graph& graph, const StepOrigin& origin, const std::vector<StepEnd>& ends);

/// A model that such a file holds, without the mark.
struct StepModel {
  ir::Graph graph;
  std::vector<StepEnd> ends;
};
/// Errors: usage, for a file that is not there, or that another recipe, model, data or budget made; those of importing.
Result<StepModel> read_step_file(const std::string& path, const StepOrigin& origin, size_t count);

}  // namespace edgesmith::refine
