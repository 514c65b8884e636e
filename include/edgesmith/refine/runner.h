// SPDX-License-Identifier: Apache-2.0
// Runs a recipe: pass, verify, measure, accept or roll back, write.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "edgesmith/base/progress.h"
#include "edgesmith/base/result.h"
#include "edgesmith/refine/recipe.h"
#include "edgesmith/refine/run_report.h"
#include "edgesmith/refine/step_cache.h"

namespace edgesmith::refine {

struct RunOptions {
  std::string command = "run";  ///< for the report
  int threads = 0;              ///< 0: all cores
  bool force = false;           ///< overwrite an existing output
  bool allow_rollback = false;  ///< a step that was rolled back, or cancelled, does not make the exit code 1
  /// Seconds after which the step at work is cancelled and no other begins; what was accepted until then is written. A
  /// training ends with its best so far. 0: any time.
  double time_limit = 0;
  ProgressSink* progress = nullptr;  ///< null: nobody looks
  StepCache* cache = nullptr;        ///< results that need not be computed again; null: everything is
  /// Index of the first step that is run although the cache has it; those before it must be in the cache, or in
  /// `from_folder`.
  std::optional<size_t> from;
  /// Where an earlier run with `keep_steps` left its models; "": the cache has what comes before `from`.
  std::string from_folder;
  /// The model after each step is written to `keep_steps`/steps; "": it is not.
  std::string keep_steps;
  /// The report holds the SHA-256 of both models, however large they are. False: only where something depends on them.
  bool hashes = true;
  /// The report holds the errors of single layers. False: passes may leave out the runs that measure them.
  bool layer_errors = true;
  bool provenance = true;  ///< the result's metadata say how it was made (not of packed or only simplified ones)
};

/// Runs every step of `recipe` on its model and writes the best model to `recipe.output` ("" writes nothing, and only
/// measures). The report's exit_code is 0 or 1; everything else that goes wrong is an error, and nothing is written.
/// Errors: usage (no model, no data where a pass needs them, what comes before `from` is not there, output exists or
/// is the input, test data that the other data share), io (also: the time limit was over before the original was
/// measured), invalid, unsupported, interrupted.
Result<RunReport> run_recipe(const Recipe& recipe, const RunOptions& options);

/// Whether two paths lead to one file, by whatever names; it need not be there.
bool same_file(const std::string& a, const std::string& b);
/// Errors: usage, where `output` is one of the `inputs`, by whatever name.
Status check_no_input(const std::string& output, std::span<const std::string> inputs);
/// Errors of `output` as the place of a result: usage when it is one of the `inputs`, or exists and `force` is false;
/// io when its folder is not there, or takes no file.
Status check_output(const std::string& output, std::span<const std::string> inputs, bool force);

}  // namespace edgesmith::refine
