// SPDX-License-Identifier: Apache-2.0
// `edgesmith diagnose FLOAT OTHER`: which nodes of a compressed model hurt, why, and what helps.
#include <chrono>
#include <filesystem>

#include "cli.h"
#include "data_flags.h"
#include "diagnose_output.h"
#include "edgesmith/base/clock.h"
#include "edgesmith/base/log.h"
#include "edgesmith/base/text.h"
#include "edgesmith/data/preprocess.h"
#include "edgesmith/ir/align_inputs.h"
#include "edgesmith/onnx/import.h"
#include "edgesmith/refine/runner.h"
#include "edgesmith/report/diagnosis.h"
#include "edgesmith/report/document.h"
#include "executor_flags.h"

namespace edgesmith::cli {
namespace {

using Clock = std::chrono::steady_clock;

struct DiagnoseFlags {
  std::string original, other, output, metric, time_limit;
  bool auto_skip = false, force = false;
  std::optional<double> max_drop;
  DataFlags data;
  ExecutorFlags executor;
};

struct Models {
  ir::Graph original, other;
  bool lent = false;  ///< the original has the other's declared preprocessing, and none of its own
};

struct OpenData {
  std::unique_ptr<data::Dataset> data, calib, eval;
};

Status check_flags(const DiagnoseFlags& flags) {
  if (flags.data.data.path.empty() && (!flags.auto_skip || flags.data.calib.path.empty())) {
    return usage_error("diagnose: no data given", "add --data D");
  }
  const bool search_option = flags.max_drop || !flags.output.empty() || !flags.metric.empty() ||
                             !flags.time_limit.empty() || !flags.data.calib.path.empty() ||
                             !flags.data.eval.path.empty();
  if (!flags.auto_skip && search_option) {
    return usage_error("diagnose: --max-drop, --metric, --calib, --eval, --time-limit and --output are for --auto-skip",
                       "add --auto-skip, or leave them out");
  }
  if (flags.auto_skip && !flags.max_drop)
    return usage_error("diagnose: --auto-skip needs a budget", "add --max-drop X");
  if (!flags.metric.empty()) {
    const auto metric = metric_named(flags.metric);
    if (!metric) return metric.error();
  }
  if (flags.output.empty()) return {};
  std::vector<std::string> inputs = {flags.original, flags.other};
  for (const DataFlag* flag : {&flags.data.data, &flags.data.calib, &flags.data.eval}) {
    if (!flag->path.empty()) inputs.push_back(flag->path);
  }
  return refine::check_output(flags.output, inputs, flags.force);
}

Result<std::unique_ptr<data::Dataset>> open(const DataFlag& flag, const DiagnoseFlags& flags, const Common& common,
                                            const ir::Graph& graph) {
  if (flag.path.empty()) return std::unique_ptr<data::Dataset>();
  auto spec = make_spec(flag, flags.data, common.color, common.seed.value_or(0));
  if (!spec) return spec.error();
  return data::open_dataset(**spec, graph);
}

Result<OpenData> open_all(const DiagnoseFlags& flags, const Common& common, const ir::Graph& graph) {
  OpenData open_data;
  for (const auto& [flag, into] :
       {std::pair(&flags.data.data, &open_data.data), std::pair(&flags.data.calib, &open_data.calib),
        std::pair(&flags.data.eval, &open_data.eval)}) {
    auto opened = open(*flag, flags, common, graph);
    if (!opened) return opened.error();
    *into = std::move(*opened);
  }
  if (open_data.eval != nullptr) {
    const data::Dataset& calib = open_data.calib != nullptr ? *open_data.calib : *open_data.data;
    const auto shared = data::count_shared_samples(*open_data.eval, calib);
    if (!shared) return shared.error();
    if (*shared > 0) {
      log::warning(std::to_string(*shared) + " samples of the evaluation data are calibration data, too");
    }
  }
  return open_data;
}

std::string quoted(const std::string& text) {
  const bool plain =
      text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=,:+%") ==
      std::string::npos;
  if (plain && !text.empty()) return text;
  std::string word = "'";
  for (const char c : text) word += c == '\'' ? "'\\''" : std::string(1, c);
  return word + "'";
}

/// How the samples are declared, as flags of a command. `lent` is what the float model's file does not remember; absent
/// where flags cannot say it.
std::optional<std::string> data_words(const DiagnoseFlags& flags, const Common& common,
                                      const data::PreprocessTable& lent) {
  std::string words;
  const auto add = [&](const std::string& name, const std::string& value) {
    if (!value.empty()) words += " --" + name + " " + quoted(value);
  };
  for (const auto& [name, value] : flags.data.preprocess) add(name, value);
  for (const std::string& word : common.color) {
    if (word == "rgb" || word == "bgr" || word == "gray") add("color", word);
  }
  if (words.empty() && !lent.empty()) {
    if (lent.size() > 1 || !lent[0].first.empty()) return std::nullopt;
    for (const std::string& flag : data::preprocess_flags()) add(flag, data::preprocess_flag(lent[0].second, flag));
    if (words.empty()) add("scale", "1");  // it says that the samples go in as they are
  }
  add("labels", flags.data.labels);
  add("features", flags.data.features);
  add("label", flags.data.label);
  return words;
}

/// The command line that makes such a model anew. Models that were not quantized had options that we cannot know.
std::string command_line(const DiagnoseFlags& flags, const Common& common, const data::PreprocessTable& lent,
                         const refine::Diagnosis& diagnosis) {
  const bool dynamic = diagnosis.command == "quantize --dynamic";
  if (diagnosis.command != "quantize" && !dynamic) return "";
  const DataFlag& data = flags.data.calib.path.empty() ? flags.data.data : flags.data.calib;
  const std::string stem = std::filesystem::path(flags.original).stem().string();
  std::string model = quoted(flags.original), first;
  if (diagnosis.simplified) {
    model = quoted(stem + "-simplified.onnx");
    first = "edgesmith simplify " + quoted(flags.original) + " -o " + model + " && ";
  }
  std::string command = first + "edgesmith quantize " + model + " -o " + quoted(stem + "-better.onnx");
  command += dynamic ? " --dynamic" : " --calib " + quoted(data.path);
  if (data.limit > 0 && !dynamic) command += " --calib-limit " + std::to_string(data.limit);
  const auto words = data_words(flags, common, lent);
  return words ? command + *words : "";
}

bool holds_codes(const ir::Graph& graph) {
  for (const ir::Node& node : graph.nodes()) {
    for (int i = 0; i < node.num_outputs(); ++i) {
      const ir::Tensor* constant = node.output(i).constant();
      if (node.output(i).quant() || (constant != nullptr && constant->encoding() == ir::Encoding::affine)) return true;
    }
  }
  return false;
}

/// The two models; the float one with the other's declared preprocessing where it has none.
Result<Models> load_models(const DiagnoseFlags& flags) {
  auto original = onnx::import_file(flags.original);
  if (!original) return original.error();
  auto other = onnx::import_file(flags.other);
  if (!other) return other.error();
  ir::align_inputs(*other, *original);
  if (holds_codes(*original) && !holds_codes(*other)) {
    return usage_error(
        flags.original + " is quantized and " + flags.other + " is not",
        "the float model comes first: edgesmith diagnose " + quoted(flags.other) + " " + quoted(flags.original));
  }
  const std::string* key = other->find_metadata(data::kPreprocessKey);
  const bool lent = key != nullptr && original->find_metadata(data::kPreprocessKey) == nullptr;
  if (lent) original->set_metadata(data::kPreprocessKey, *key);
  return Models{std::move(*original), std::move(*other), lent};
}

Result<refine::AutoSkipOptions> search_options(const DiagnoseFlags& flags) {
  refine::AutoSkipOptions options;
  options.max_drop = flags.max_drop.value_or(0);
  options.metric = flags.metric.empty() ? nullptr : data::find_metric(flags.metric);
  if (flags.time_limit.empty()) return options;
  const auto seconds = parse_seconds(flags.time_limit);
  if (!seconds) return usage_error("--time-limit: '" + flags.time_limit + "' is no time", "write 90s, 10m or 2h");
  options.time_limit = *seconds;
  return options;
}

/// Finds the nodes to leave float, and writes the model. What is chosen is chosen on calibration data, also when the
/// diagnosis was about others.
Status search(const DiagnoseFlags& flags, const Models& models, const OpenData& data,
              const refine::AutoSkipOptions& options, const refine::DiagnoseContext& context, DiagnoseResult& result) {
  std::optional<refine::Diagnosis> on_calib;
  if (data.calib != nullptr && data.data != nullptr) {
    auto again = refine::diagnose_model(models.original, models.other, *data.calib, context);
    if (!again) return again.error().in(flags.other);
    on_calib = std::move(*again);
  }
  const data::Dataset& calib = data.calib != nullptr ? *data.calib : *data.data;
  auto skip = refine::find_auto_skip(on_calib ? *on_calib : result.diagnosis, calib, data.eval.get(), options, context);
  if (!skip) return skip.error().in(flags.other);
  result.max_drop = options.max_drop;
  result.skip = std::move(*skip);
  if (!flags.output.empty()) {
    result.output = flags.output;
    auto written = onnx::export_file(result.skip->graph, flags.output, {.existing = replaced_if(flags.force)});
    if (!written) return written.error();
    result.written = std::move(*written);
  }
  if (!result.skip->met) log::warning(skip_verdict(result));
  return {};
}

Result<int> run(const DiagnoseFlags& flags, const Common& common) {
  const Clock::time_point start = Clock::now();
  EDGESMITH_TRY(check_flags(flags));
  const auto options = search_options(flags);
  if (!options) return options.error();
  auto models = load_models(flags);
  if (!models) return models.error();
  auto opened = open_all(flags, common, models->original);
  if (!opened) return opened.error();
  auto progress = make_progress(common);
  if (!progress) return progress.error();
  ThreadPool pool(common.threads);
  refine::DiagnoseContext context{.pool = &pool, .progress = progress->get(), .executor = {}};
  const auto executor = flags.executor.options(common, pool.num_threads());
  if (!executor) return executor.error();
  context.executor = *executor;

  DiagnoseResult result;
  result.original_path = flags.original;
  result.other_path = flags.other;
  const data::Dataset& data = opened->data != nullptr ? *opened->data : *opened->calib;
  auto diagnosis = refine::diagnose_model(models->original, models->other, data, context);
  if (!diagnosis) return diagnosis.error().in(flags.other);
  result.diagnosis = std::move(*diagnosis);
  const data::Dataset& calib = opened->calib != nullptr ? *opened->calib : data;
  result.command =
      command_line(flags, common, models->lent ? calib.preprocess_table() : data::PreprocessTable(), result.diagnosis);
  result.calibrates_on_data = flags.data.calib.path.empty() && result.command.find(" --calib ") != std::string::npos;
  if (flags.auto_skip) EDGESMITH_TRY(search(flags, *models, *opened, *options, context, result));
  result.seconds = seconds_since(start);
  const std::string document = diagnose_json(result);
  if (!common.report.empty()) {
    EDGESMITH_TRY(report::write_document("diagnose " + flags.other, document, common.report,
                                         report::diagnosis_picture(result.diagnosis)));
  }
  if (common.json) {
    print(document);
  } else if (!common.quiet || flags.output.empty()) {
    print(diagnose_text(result, common.verbose, use_color(common)));
  }
  return result.skip && !result.skip->met ? 1 : 0;
}

}  // namespace

void add_diagnose(Program& program) {
  auto flags = std::make_shared<DiagnoseFlags>();
  Command* command = program.add_command("diagnose", "Find the nodes of a compressed model that hurt, and what helps",
                                         [flags](const Common& common) { return run(*flags, common); });
  command->add_option("float", flags->original, "the float model")->required()->type_name("FLOAT");
  command->add_option("other", flags->other, "what was made of it: quantized, pruned, shared, converted")
      ->required()
      ->type_name("OTHER");
  add_data_option(command, "data", flags->data.data, "samples to compare them on");
  add_preprocess_options(command, flags->data);
  command->add_flag("--auto-skip", flags->auto_skip, "find the fewest nodes to leave float for the budget");
  command->add_option("--max-drop", flags->max_drop, "the budget: most that the metric may lose, in points for top1")
      ->type_name("X");
  command->add_option("--metric", flags->metric, "what the budget is about (default top1, without labels agreement)")
      ->type_name("NAME");
  add_data_option(command, "calib", flags->data.calib, "samples that the search looks at (default: those of --data)");
  add_data_option(command, "eval", flags->data.eval, "samples that its result is checked on, once");
  command->add_option("--time-limit", flags->time_limit, "end the search then, with the best so far, such as 10m")
      ->type_name("TIME");
  command->add_option("-o,--output", flags->output, "where the model with those nodes left float goes")
      ->type_name("OUT")
      ->group("Output");
  command->add_flag("--force", flags->force, "overwrite an existing output")->group("Output");
  add_executor_options(command, flags->executor, program.common);
  add_report_option(command, program.common);
  add_work_options(command, program.common);
}

}  // namespace edgesmith::cli
