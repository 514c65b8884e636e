// SPDX-License-Identifier: Apache-2.0
// A metric that a program of the user's computes from the outputs of a model (docs/metrics.md).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/data/dataset.h"
#include "edgesmith/data/metric.h"
#include "edgesmith/ir/graph.h"

namespace edgesmith::refine {

/// How to run the program, and what its number means.
struct MetricProgramOptions {
  std::string name;      ///< of the metric; "": "command"
  std::string command;   ///< for /bin/sh; two paths are put behind it
  double timeout = 600;  ///< seconds
  bool higher_is_better = true;
};

/// Names what `info` shows: it is neither copied nor moved.
class MetricProgram {
 public:
  /// Errors: usage (a name that one of our metrics has).
  static Result<std::shared_ptr<const MetricProgram>> create(MetricProgramOptions options);
  MetricProgram(const MetricProgram&) = delete;
  MetricProgram& operator=(const MetricProgram&) = delete;

  /// The row that stands for it among metrics. Its `sample` is null: the program sees all samples at once.
  const data::MetricInfo& info() const { return info_; }
  const MetricProgramOptions& options() const { return options_; }

 private:
  explicit MetricProgram(MetricProgramOptions options);
  MetricProgramOptions options_;
  std::string summary_;
  data::MetricInfo info_;
};

/// What the program is shown, sample by sample. All outputs are kept, as `infer` does.
struct ProgramInput {
  std::vector<std::vector<ir::Tensor>> outputs;
  std::vector<int64_t> labels;
  std::vector<std::vector<ir::Tensor>> targets;  ///< as Sample::targets
  std::vector<std::string> names;
};

struct ProgramResult {
  double value = 0;
  std::vector<double> per_sample;  ///< empty: it gave none
};

/// Runs the program on what `graph` gave: COMMAND OUTPUTS.npz LABELS.npz, with the names of the samples, one a line, in
/// the file that the environment variable EDGESMITH_SAMPLES names. Errors: io (it cannot be run, fails, or takes too
/// long), invalid (it prints something else than one JSON object with a number "value", or "per_sample" of another
/// length), unsupported (outputs that cannot be joined), interrupted.
Result<ProgramResult> run_metric_program(const MetricProgram& program, const ir::Graph& graph,
                                         const ProgramInput& input);

}  // namespace edgesmith::refine
