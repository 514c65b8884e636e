// SPDX-License-Identifier: Apache-2.0
// Data options (--calib D --calib-limit N, quick preprocessing) and gate options of the command line.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "command.h"
#include "edgesmith/base/result.h"
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
  std::string labels;
  std::map<std::string, std::string> preprocess;  ///< quick flags by name, "" where not given
};

/// Names that completion offers.
std::vector<std::string> target_names();
std::vector<std::string> metric_names();

/// Adds --NAME and --NAME-limit, with `help` for the first.
void add_data_option(Command* command, const std::string& name, DataFlag& flag, const std::string& help);
/// Adds --labels, --scale, --mean, --std, --resize, --filter, --crop, --crop-fraction and --layout.
void add_preprocess_options(Command* command, DataFlags& flags);

/// The data set that `flag` names; absent when it names none. `color` are the words of --color. Errors: usage.
Result<std::optional<data::DataSpec>> make_spec(const DataFlag& flag, const DataFlags& flags,
                                                const std::vector<std::string>& color, uint64_t seed);

/// Everything the command line says about the gate.
struct GateFlags {
  std::string metric, on_fail, undecided;
  std::string targets;  ///< separated by commas; "": those of the recipe
  std::optional<double> max_drop;
  std::optional<int64_t> max_bytes;
  bool allow_rollback = false;
};
void add_gate_options(Command* command, GateFlags& flags);
/// Replaces in `gate` what the command line gives. Errors: usage (unknown metric or target).
Status apply_gate(const GateFlags& flags, refine::Gate& gate);

}  // namespace edgesmith::cli
