// SPDX-License-Identifier: Apache-2.0
#include "recipe_command.h"

#include <algorithm>
#include <filesystem>
#include <iterator>

#include "edgesmith/base/log.h"
#include "edgesmith/base/text.h"
#include "edgesmith/refine/runner.h"
#include "edgesmith/report/html.h"
#include "edgesmith/report/json.h"
#include "edgesmith/report/terminal.h"
#include "memory_flags.h"

namespace edgesmith::cli {

std::vector<refine::Override> overrides_of(const std::vector<std::string>& texts) {
  std::error_code ignored;
  const std::string here = std::filesystem::current_path(ignored).string();
  std::vector<refine::Override> overrides;
  for (const std::string& text : texts) overrides.push_back({text, here});
  return overrides;
}

void add_recipe_options(Command* command, Common& common, RecipeFlags& flags) {
  const auto output = [&](const char* name, auto& value, const char* type, const char* help) {
    return command->add_option(name, value, help)->type_name(type)->group("Output");
  };
  output("--report", flags.report, "DIR", "write report.json and report.html there");
  command->add_flag("--force", flags.force, "overwrite an existing output")->group("Output");
  command
      ->add_flag("--no-provenance", flags.no_provenance,
                 "leave out of the result's metadata how it was made (edgesmith.provenance)")
      ->group("Output");
  command->add_flag("--print-recipe", flags.print_recipe, "print the recipe that this command line means, and stop")
      ->group("Output");
  command
      ->add_option("--target", flags.target,
                   "what the model is for: see targets, or a profile's path (default ort-x86)")
      ->type_name("NAME")
      ->suggest(target_names())
      ->group("Pass");
  command->add_option("--set", flags.overrides, "replace one key of the recipe, such as step.quantize.weights=int8")
      ->type_name("K=V")
      ->group("Pass");
  add_data_option(command, "eval", flags.data.eval, "what the gate and the report measure on");
  add_preprocess_options(command, flags.data);
  add_gate_options(command, flags.gate);
  add_cache_options(command, flags.cache);
  add_work_options(command, common);
}

void add_time_option(Command* command, RecipeFlags& flags) {
  command
      ->add_option(
          "--time-limit", flags.time_limit,
          "cancel the step at work then, such as 10m, and write what was accepted; a training ends with its best")
      ->type_name("TIME")
      ->group("Common");
}

Status apply_flags(const RecipeFlags& flags, const Common& common, refine::Recipe& recipe) {
  if (!flags.model.empty()) recipe.model = flags.model;
  if (!flags.target.empty()) recipe.target = flags.target;
  if (common.seed) recipe.seed = *common.seed;
  const std::pair<const DataFlag*, std::optional<data::DataSpec>*> roles[] = {{&flags.data.calib, &recipe.data.calib},
                                                                              {&flags.data.train, &recipe.data.train},
                                                                              {&flags.data.eval, &recipe.data.eval},
                                                                              {&flags.data.test, &recipe.data.test}};
  auto preprocess = quick_preprocess(flags.data, common.color);
  if (!preprocess) return preprocess.error();
  const bool no_data =
      std::all_of(std::begin(roles), std::end(roles), [](const auto& r) { return r.first->path.empty(); });
  // Otherwise it goes with the data that are named beside it.
  if (no_data && !preprocess->empty()) recipe.preprocess = std::move(*preprocess);
  for (const auto& [flag, role] : roles) {
    auto spec = make_spec(*flag, flags.data, common.color, recipe.seed);
    if (!spec) return spec.error();
    if (*spec)
      *role = std::move(**spec);
    else if (flag->limit != 0 && *role)
      (*role)->limit = flag->limit;
  }
  return apply_gate(flags.gate, recipe.gate);
}

namespace {

/// The step that --from names, by number or pass.
Result<std::optional<size_t>> find_from(const std::string& from, const refine::Recipe& recipe) {
  if (from.empty()) return std::optional<size_t>();
  std::vector<std::string> steps;
  for (size_t i = 0; i < recipe.steps.size(); ++i) {
    if (recipe.steps[i].pass == from || std::to_string(i + 1) == from) return std::optional(i);
    steps.push_back(std::to_string(i + 1) + " " + recipe.steps[i].pass);
  }
  return usage_error("--from " + from + ": the recipe has no such step", "its steps: " + join(steps, ", "));
}

}  // namespace

Result<int> run_and_show(const std::string& command, const refine::Recipe& recipe, const std::string& report_folder,
                         const RecipeFlags& flags, const Common& common) {
  EDGESMITH_TRY(check_stdout(common, recipe.output));
  EDGESMITH_TRY(check_report_folder(report_folder));
  EDGESMITH_TRY(limit_memory(common));
  auto progress = make_progress(common);
  if (!progress) return progress.error();
  refine::RunOptions options;
  options.command = command;
  options.threads = common.threads;
  options.force = flags.force;
  options.allow_rollback = flags.gate.allow_rollback;
  options.progress = progress->get();
  if (!flags.time_limit.empty()) {
    const auto seconds = parse_seconds(flags.time_limit);
    if (!seconds) return usage_error("--time-limit: '" + flags.time_limit + "' is no time", "write 90s, 10m or 2h");
    options.time_limit = *seconds;
  }
  options.provenance = !flags.no_provenance;
  options.hashes = options.layer_errors = common.json || !report_folder.empty();
  auto from = find_from(flags.from, recipe);
  if (!from) return from.error();
  options.from = *from;
  options.from_folder = flags.from_results;
  options.keep_steps = flags.keep_steps;
  auto cache = open_cache(flags.cache);
  if (!cache) return cache.error();
  options.cache = *cache ? &**cache : nullptr;
  if (!options.from && !options.from_folder.empty()) {
    return usage_error("--from-results says where the steps before --from are", "add --from STEP");
  }
  if (options.from && options.cache == nullptr && options.from_folder.empty()) {
    return usage_error("--from needs the cache, which is off",
                       "leave out --no-cache, name a --cache-dir, or --from-results of a run with --keep-steps");
  }
  auto result = refine::run_recipe(recipe, options);
  if (!result) return result.error();
  if (!report_folder.empty()) EDGESMITH_TRY(report::write_report(*result, report_folder));
  if (common.json) {
    print(report::run_json(*result));
  } else if (!common.quiet) {
    std::string text = report::run_summary(*result, use_color(common));
    if (!report_folder.empty()) text += "  report    " + report_folder + "/report.html\n";
    print_beside(recipe.output, text);
  }
  return result->exit_code;
}

}  // namespace edgesmith::cli
