// SPDX-License-Identifier: Apache-2.0
// The data sets of a run, opened, checked against each other, and described for the report.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/data/dataset.h"
#include "edgesmith/data/metric.h"
#include "edgesmith/refine/metric_program.h"
#include "edgesmith/refine/recipe.h"
#include "edgesmith/refine/run_report.h"

namespace edgesmith::refine {

struct RunData {
  std::unique_ptr<data::Dataset> calib, train, eval, test;
  std::vector<DataReport> reports;
  std::string preprocess;  ///< canonical JSON of what was declared or found in the model, "" for none
};

/// Opens what the recipe names. Samples that the evaluation data share with calibration or training data are a
/// warning; sharing with the test data is an error (invalid). Errors: io, invalid, usage.
Result<RunData> open_run_data(const Recipe& recipe, const ir::Graph& graph);

/// Opens the same data for a model that takes other inputs now: with the preprocessing `preprocess` (canonical JSON) in
/// place of what was declared. What was checked before is not checked again.
Result<RunData> reopen_run_data(const Recipe& recipe, const ir::Graph& graph, const std::string& preprocess);

/// The metrics to measure: the gate's first (of `program`, which may be null), then agreement and SQNR with the
/// original. Errors: usage (the data cannot give the metric).
Result<std::vector<const data::MetricInfo*>> choose_metrics(const Recipe& recipe, const data::Dataset& data,
                                                            const MetricProgram* program);

}  // namespace edgesmith::refine
