// SPDX-License-Identifier: Apache-2.0
// Data options (--calib D --calib-limit N, quick preprocessing) and gate options of the command line.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "command.h"
#include "edgesmith/base/result.h"
#include "edgesmith/data/metric.h"
#include "edgesmith/data/preprocess.h"
#include "edgesmith/refine/metric_program.h"
#include "edgesmith/refine/recipe.h"

namespace edgesmith::cli {

/// One data option with its limit.
struct DataFlag {
  std::string path;
  int64_t limit = 0;
};

/// Everything the command line says about data.
struct DataFlags {
  DataFlag data, calib, train, eval, test;
  std::string labels, label;                      ///< two names of one thing
  std::string features;                           ///< separated by commas
  std::map<std::string, std::string> preprocess;  ///< quick flags by name, "" where not given
};

/// Names that completion offers.
std::vector<std::string> target_names();
std::vector<std::string> metric_names();

/// The metric of that name. Errors: usage, with the nearest known name.
Result<const data::MetricInfo*> metric_named(const std::string& name);

/// Adds --NAME and --NAME-limit, with `help` for the first.
void add_data_option(Command* command, const std::string& name, DataFlag& flag, const std::string& help);
/// Adds --labels, --scale, --mean, --std, --resize, --filter, --crop, --crop-fraction and --layout.
void add_preprocess_options(Command* command, DataFlags& flags);

/// Adds --dim: sizes of free dims of seeded inputs.
void add_dim_option(Command* command, std::vector<std::string>& dims);
/// The sizes of "H=64". Errors: usage.
Status parse_dims(const std::vector<std::string>& texts, std::vector<std::pair<std::string, int64_t>>& dims);

/// The data set that `flag` names; absent when it names none. `color` are the words of --color. Errors: usage.
Result<std::optional<data::DataSpec>> make_spec(const DataFlag& flag, const DataFlags& flags,
                                                const std::vector<std::string>& color, uint64_t seed);

/// A metric that a program of the user's computes.
struct ProgramFlags {
  std::string command, timeout, better;  ///< "" where not given
};
/// Adds --metric-command, --metric-timeout and --metric-better under the heading `group`.
void add_program_options(Command* command, ProgramFlags& flags, const std::string& group);
/// The program that `flags` name, for a metric called `name` (""); null when they name none. Errors: usage.
Result<std::shared_ptr<const refine::MetricProgram>> make_program(const ProgramFlags& flags, const std::string& name);

/// What --scale and its like declare, for every input; empty when none is given. Errors: usage.
Result<data::PreprocessTable> quick_preprocess(const DataFlags& flags, const std::vector<std::string>& color);

/// Everything the command line says about the gate.
struct GateFlags {
  std::string metric, on_fail, undecided;
  ProgramFlags program;
  std::string max_bytes, max_ram;  ///< with a unit, or bytes
  std::optional<double> max_latency_us, min_speedup;
  std::string targets;  ///< separated by commas; "": those of the recipe
  std::optional<double> max_drop;
  bool allow_rollback = false;
};
void add_gate_options(Command* command, GateFlags& flags);
/// Replaces in `gate` what the command line gives. Errors: usage (unknown metric or target).
Status apply_gate(const GateFlags& flags, refine::Gate& gate);

}  // namespace edgesmith::cli
