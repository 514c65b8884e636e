// SPDX-License-Identifier: Apache-2.0
// What `run` and the one-pass commands share: options that fill a recipe, the run, and its report.
#pragma once

#include "cache_flags.h"
#include "cli.h"
#include "data_flags.h"
#include "edgesmith/refine/recipe.h"

namespace edgesmith::cli {

struct RecipeFlags {
  std::string model, output, report, target;
  std::string from;          ///< a step's number or pass; "": none
  std::string from_results;  ///< folder of an earlier run with --keep-steps; "": none
  std::string keep_steps;    ///< folder for the models after the steps; "": none
  std::string time_limit;    ///< "10m"; "": none
  bool force = false, print_recipe = false, no_provenance = false;
  CacheFlags cache;
  std::vector<std::string> overrides;
  DataFlags data;
  GateFlags gate;
};

/// What --set gives: a path typed here starts in the working directory.
std::vector<refine::Override> overrides_of(const std::vector<std::string>& texts);

/// Adds --time-limit, of a whole run.
void add_time_option(Command* command, RecipeFlags& flags);

/// Adds output, report, --set, --print-recipe, target, gate, evaluation and preprocessing options.
void add_recipe_options(Command* command, Common& common, RecipeFlags& flags);

/// Puts what the command line gives over what `recipe` says (model, target, data, gate). Errors: usage.
Status apply_flags(const RecipeFlags& flags, const Common& common, refine::Recipe& recipe);

/// Runs the recipe, writes the report and shows the result. `report_folder` "" writes none.
Result<int> run_and_show(const std::string& command, const refine::Recipe& recipe, const std::string& report_folder,
                         const RecipeFlags& flags, const Common& common);

/// Registers a command that is one step of the pass `pass` (none where there is no such pass): its options come from
/// the table of the pass.
void add_pass_command(Program& program, const std::string& pass, const std::string& summary);

}  // namespace edgesmith::cli
