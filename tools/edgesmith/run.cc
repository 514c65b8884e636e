// SPDX-License-Identifier: Apache-2.0
// `edgesmith run RECIPE.toml`: a chain of passes, gated.
#include <filesystem>

#include "edgesmith/base/folder_lock.h"
#include "edgesmith/base/log.h"
#include "memory_flags.h"
#include "recipe_command.h"

namespace edgesmith::cli {
namespace {

namespace fs = std::filesystem;

struct RunFlags : RecipeFlags {
  std::string recipe;
  bool keeps_steps = false;
};

/// The file name of the result inside the folder of -o.
std::string output_name(const refine::Recipe& recipe) {
  if (!recipe.output.empty()) return fs::path(recipe.output).filename().string();
  return fs::path(recipe.model).stem().string() + "-edge.onnx";
}

Result<int> run(const RunFlags& given, const Common& common) {
  RunFlags flags = given;
  if (flags.keeps_steps && flags.output.empty()) return usage_error("--keep-steps needs a folder", "add -o DIR");
  if (flags.keeps_steps) flags.keep_steps = flags.output;
  auto recipe = refine::load_recipe(flags.recipe, overrides_of(flags.overrides));
  if (!recipe) return recipe.error();
  EDGESMITH_TRY(apply_flags(flags, common, *recipe));
  if (recipe->model.empty()) {
    return usage_error(flags.recipe + ": no model", "add model = \"...\" to the recipe, or name it after the recipe");
  }
  std::string report = flags.report;
  if (!flags.output.empty()) {
    recipe->output = (fs::path(flags.output) / output_name(*recipe)).string();
    if (report.empty()) report = flags.output;
  }
  if (flags.print_recipe) {
    EDGESMITH_TRY(check_no_json(common, "--print-recipe"));
    print_exactly(refine::print_recipe(*recipe));
    return 0;
  }
  if (recipe->output.empty()) {
    return usage_error(flags.recipe + ": no output", "add output = \"...\" to the recipe, or -o DIR");
  }
  if (recipe->steps.empty()) {
    log::warning(flags.recipe + ": has no [[step]]: the model is measured and written as it came");
  }
  std::error_code error;
  const bool made = !flags.output.empty() && fs::create_directories(flags.output, error);
  if (error) return io_error(flags.output + ": cannot create the folder: " + error.message(), "check -o");
  std::optional<FolderLock> lock;  // of two runs into one folder, each would leave a part
  if (!flags.output.empty()) {
    auto taken = FolderLock::take(flags.output);
    if (!taken) return taken.error();
    lock.emplace(std::move(*taken));
  }
  auto code = run_and_show("run", *recipe, report, flags, common);
  if (!code && made) fs::remove(flags.output, error);  // nothing half-written: it goes if it is empty
  return code;
}

}  // namespace

void add_run(Program& program) {
  auto flags = std::make_shared<RunFlags>();
  Command* command = program.add_command("run", "Run a recipe: a chain of passes, each one gated",
                                         [flags](const Common& common) { return run(*flags, common); });
  command->add_option("recipe", flags->recipe, "the recipe")->required()->type_name("RECIPE.toml");
  command->add_option("model", flags->model, "the .onnx file, in place of the recipe's")->type_name("MODEL");
  command->add_option("-o,--output", flags->output, "write everything into this folder")
      ->type_name("DIR")
      ->group("Output");
  command
      ->add_option("--from", flags->from,
                   "run from this step on, given by number or pass; what comes before it is in the cache, or in "
                   "--from-results")
      ->type_name("STEP")
      ->group("Pass");
  command
      ->add_option("--from-results", flags->from_results,
                   "folder of an earlier run with --keep-steps, whose models stand for the steps before --from")
      ->type_name("DIR")
      ->group("Pass");
  command
      ->add_flag("--keep-steps", flags->keeps_steps,
                 "also write the model after each step into DIR/steps, for --from-results")
      ->group("Output");
  add_data_option(command, "calib", flags->data.calib, "samples to calibrate with, in place of the recipe's");
  add_data_option(command, "train", flags->data.train, "samples to train with");
  add_data_option(command, "test", flags->data.test, "measured once at the end, for the report only");
  add_recipe_options(command, program.common, *flags);
  add_process_memory_option(command, program.common);
  add_time_option(command, *flags);
}

}  // namespace edgesmith::cli
