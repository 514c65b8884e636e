// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "edgesmith/base/progress.h"
#include "edgesmith/base/random.h"
#include "edgesmith/base/result.h"
#include "edgesmith/base/thread_pool.h"
#include "edgesmith/data/dataset.h"
#include "edgesmith/ir/graph.h"
#include "edgesmith/passes/options.h"
#include "edgesmith/targets/target.h"
#include "edgesmith/train/curve.h"

namespace edgesmith::passes {

/// What a pass did to the graph.
enum class Change : bool { none, changed };

/// Per-value or per-layer findings of a pass, for the report's tables and plots.
struct LayerRecord {
  std::string node;  ///< name of the node (or its label when it has none)
  std::string op;
  std::string value;                      ///< name of the value described
  std::string status;                     ///< "int8", "float", ...
  std::string reason;                     ///< why it stayed float, which calibrator won, what limits it
  std::string advice;                     ///< the option that would help, or ""
  std::map<std::string, double> numbers;  ///< "sqnr_db", "min", "max", "scale", "clipped_percent", ...
};

/// What a pass may borrow from the runner.
struct PassContext {
  const data::Dataset* calib = nullptr;  ///< null: none was given
  const data::Dataset* train = nullptr;
  const ir::Graph* original = nullptr;      ///< the model as it came in (the teacher); never null under the runner
  int64_t opset = 0;                        ///< of the source: what a pass adds must be in it; 0: there is no source
  const targets::Target* target = nullptr;  ///< never null under the runner
  ThreadPool* pool = nullptr;               ///< never null under the runner
  ProgressSink* progress = nullptr;         ///< never null under the runner
  Random random{0};                         ///< seeded by the run's seed and the step's index
  /// Reads another model that an option names; never empty under the runner.
  std::function<Result<ir::Graph>(const std::string& path)> load_model;
  /// Whether somebody will read the errors of single layers: to measure them takes runs of the model.
  bool layer_errors = true;
  std::vector<std::string> notes;    ///< sentences for the report
  std::vector<LayerRecord> layers;   ///< filled by the pass
  std::vector<train::Curve> curves;  ///< numbers over the steps of a training
  /// Times and rates ("images_per_second"): the only findings that may differ from run to run.
  std::map<std::string, double> measured;
  /// The user asked to stop, and the graph holds the best that there was until then: the runner saves it.
  bool stopped_early = false;
  /// The time limit in force ended a training, and the graph holds its best: a result like any other.
  bool out_of_time = false;
};

/// One row of the pass table.
struct PassInfo {
  std::string_view name;     ///< kebab-case: command line, recipe, docs, goldens
  std::string_view summary;  ///< one line, no full stop; shown by `edgesmith passes`
  const OptionSchema& (*options)();
  Result<Change> (*run)(ir::Graph& graph, const Options& options, PassContext& context);
  /// True for a pass that is a step of a recipe (simplify, quantize); false for the small ones inside `simplify`,
  /// which recipes may name all the same.
  bool is_step;
  bool needs_calib;  ///< without calibration data the run is a usage error
  /// What makes it do without them: flags among the options and "option=word", between commas; or "".
  std::string_view calib_unless = {};
  bool needs_train = false;  ///< without training data the run is a usage error
  bool may_calib = false;    ///< looks at calibration data when there are some
  /// What of the options does not fit together, or is missing; null: nothing can be.
  Status (*check)(const Options& options) = nullptr;
  bool measures_layers = false;  ///< its records lack numbers unless PassContext::layer_errors
};

/// Whether a step with these options needs calibration data.
bool needs_calib(const PassInfo& pass, const Options& options);

/// What can be said of a step before any work: options that do not fit together. Errors: usage.
Status check_options(const PassInfo& pass, const Options& options);

/// Options of the first step held against the graph that it will work on: selectors that match nothing. Errors: usage.
Status check_first_step(const Options& options, const ir::Graph& graph);

/// Options of a later step held against the graph as it is before the first one: selectors that will match nothing
/// whatever the steps between do. Errors: usage.
Status check_later_step(const Options& options, const ir::Graph& original);

/// Whether a pass may train, and so be given training data: it needs them, or "repair" may be
/// "distill".
bool may_train(const PassInfo& pass);

std::span<const PassInfo> all_passes();
const PassInfo* find_pass(std::string_view name);

/// Runs one pass: fresh types, structural verification after it, errors prefixed with its name.
Result<Change> run_pass(const PassInfo& pass, ir::Graph& graph, const Options& options, PassContext& context);

}  // namespace edgesmith::passes
