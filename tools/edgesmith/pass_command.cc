// SPDX-License-Identifier: Apache-2.0
// A command that is one pass: its options are generated from the pass's table, and it runs as a one-step recipe.
#include <algorithm>
#include <map>

#include "edgesmith/base/text.h"
#include "edgesmith/passes/pass.h"
#include "memory_flags.h"
#include "recipe_command.h"

namespace edgesmith::cli {
namespace {

using passes::OptionKind;
using passes::OptionRow;

struct PassFlags : RecipeFlags {
  const passes::PassInfo* pass = nullptr;
  std::map<std::string, std::vector<std::string>> values;  ///< given options of the pass, by snake_case name
};

std::string kebab(std::string_view name) {
  std::string text(name);
  std::replace(text.begin(), text.end(), '_', '-');
  return text;
}

std::string help_text(const OptionRow& row) {
  std::string text(row.help);
  if (row.kind == OptionKind::flag) return text;
  std::string more;
  if (!row.words.empty()) more = "one of " + join(std::vector<std::string>(row.words.begin(), row.words.end()), ", ");
  if (row.min < row.max) more = shortest(row.min) + " to " + shortest(row.max);
  if (!row.fallback.empty()) more += (more.empty() ? "default " : "; default ") + std::string(row.fallback);
  return more.empty() ? text : text + " (" + more + ")";
}

const char* type_text(const OptionRow& row) {
  switch (row.kind) {
    case OptionKind::flag: return "";
    case OptionKind::integer: return "N";
    case OptionKind::real: return "X";
    case OptionKind::word: return "WORD";
    case OptionKind::path: return "FILE";
    case OptionKind::text_list: return passes::is_selector(row) ? "GLOB" : "LIST";
  }
  return "";
}

/// Null: the pass has no such option.
const OptionRow* find_option(const passes::PassInfo& pass, std::string_view name) {
  const passes::OptionSchema& rows = pass.options();
  const auto found = std::find_if(rows.begin(), rows.end(), [&](const OptionRow& row) { return row.name == name; });
  return found == rows.end() ? nullptr : &*found;
}

void add_pass_option(Command* command, const OptionRow& row, PassFlags& flags) {
  const std::string name = kebab(row.name);
  auto& values = flags.values[std::string(row.name)];
  if (row.kind == OptionKind::flag) {
    const bool on = row.fallback == "true";
    command
        ->add_flag_callback(
            "--" + std::string(on ? "no-" : "") + name, [&values, on] { values = {on ? "false" : "true"}; },
            (on ? "do not " : "") + help_text(row))
        ->group("Pass");
    return;
  }
  command->add_option("--" + name, values, help_text(row))
      ->type_name(type_text(row))
      ->suggest({row.words.begin(), row.words.end()})
      ->group("Pass");
}

/// What is wrong in the recipe that a command line becomes, without the line of a text that nobody wrote.
Error without_line(Error error, const std::string& pass) {
  const std::string begin = "command line: line ";
  const size_t colon = error.message.starts_with(begin) ? error.message.find(": ", begin.size()) : std::string::npos;
  if (colon != std::string::npos) error.message = pass + error.message.substr(colon);
  return error;
}

Result<refine::Recipe> make_recipe(const PassFlags& flags, const Common& common) {
  refine::Recipe recipe;
  EDGESMITH_TRY(apply_flags(flags, common, recipe));
  recipe.output = flags.output;
  refine::Step step{std::string(flags.pass->name), passes::Options(flags.pass->options()), {}, {}, {}};
  for (const auto& [name, values] : flags.values) {
    if (values.size() > 1 && find_option(*flags.pass, name)->kind != OptionKind::text_list) {
      return usage_error(step.pass + ": --" + kebab(name) + ": given more than once", "leave all but one of them out");
    }
    for (const std::string& value : values) {
      const Status status = step.options.set_text(name, value);
      if (!status.ok()) return status.error().in(step.pass);
    }
  }
  recipe.steps.push_back(std::move(step));
  // Through text, so that a command line is checked like a recipe and --set works on both.
  auto checked = refine::parse_recipe(refine::print_recipe(recipe), "command line", "", overrides_of(flags.overrides));
  if (!checked) return without_line(checked.error(), std::string(flags.pass->name));
  for (refine::Step& one : checked->steps) one.place.clear();  // it has no lines that anybody wrote
  return checked;
}

Result<int> run_pass_command(const PassFlags& flags, const Common& common) {
  auto recipe = make_recipe(flags, common);
  if (!recipe) return recipe.error();
  if (flags.print_recipe) {
    EDGESMITH_TRY(check_no_json(common, "--print-recipe"));
    print_exactly(refine::print_recipe(*recipe));
    return 0;
  }
  if (recipe->output.empty()) {
    return usage_error(std::string(flags.pass->name) + ": no output given", "add -o OUT.onnx");
  }
  return run_and_show(std::string(flags.pass->name), *recipe, flags.report, flags, common);
}

}  // namespace

void add_pass_command(Program& program, const std::string& pass, const std::string& summary) {
  const passes::PassInfo* info = passes::find_pass(pass);
  if (info == nullptr) return;
  auto flags = std::make_shared<PassFlags>();
  flags->pass = info;
  Command* command =
      program.add_command(pass, summary, [flags](const Common& common) { return run_pass_command(*flags, common); });
  command->add_option("model", flags->model, "the .onnx file")->required()->type_name("MODEL");
  command->add_option("-o,--output", flags->output, "where the result goes")->type_name("OUT")->group("Output");
  if (flags->pass->needs_calib || flags->pass->may_calib) {
    add_data_option(command, "calib", flags->data.calib, "samples to calibrate with (never those of --eval)");
  }
  if (passes::may_train(*flags->pass)) {
    add_data_option(command, "train", flags->data.train, "samples to train on (never those of --eval)");
  }
  add_recipe_options(command, program.common, *flags);
  // A pass that has a limit of its own says what it means there.
  if (find_option(*flags->pass, "memory_limit") == nullptr) add_process_memory_option(command, program.common);
  if (find_option(*flags->pass, "time_limit") == nullptr) add_time_option(command, *flags);
  for (const OptionRow& row : flags->pass->options()) add_pass_option(command, row, *flags);
}

void add_simplify(Program& program) {
  add_pass_command(program, "simplify", "Clean a model up without changing what it computes");
}

void add_prune(Program& program) {
  add_pass_command(program, "prune", "Zero weights or remove channels, refit the others, and measure what that costs");
}

void add_share(Program& program) {
  add_pass_command(program, "share", "Replace weights by indices into small codebooks, and measure what that costs");
}

void add_quantize(Program& program) {
  add_pass_command(program, "quantize", "Turn a float model into an int8 one, and measure what that costs");
}

void add_fold_preprocess(Program& program) {
  add_pass_command(program, "fold-preprocess", "Move scale, mean, std, channel order and layout into the graph");
}

void add_distill(Program& program) {
  add_pass_command(program, "distill", "Train a model against a teacher, or repair a compressed one");
}

void add_convert(Program& program) {
  add_pass_command(program, "convert", "Compute in float16, bfloat16 or float32, and measure what that costs");
}

}  // namespace edgesmith::cli
