// SPDX-License-Identifier: Apache-2.0
// `edgesmith eval`: how accurate a model is, and how fast it ran here.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "cli.h"
#include "data_flags.h"
#include "edgesmith/base/log.h"
#include "edgesmith/base/text.h"
#include "edgesmith/data/class_names.h"
#include "edgesmith/onnx/import.h"
#include "edgesmith/refine/measure.h"
#include "edgesmith/report/terminal.h"
#include "edgesmith/targets/target.h"
#include "executor_flags.h"

namespace edgesmith::cli {
namespace {

struct EvalFlags {
  std::string model;
  std::string targets;  ///< names, separated by commas; "": the arithmetic of --arithmetic
  std::vector<std::string> metrics;
  ProgramFlags program;
  DataFlags data;
  ExecutorFlags executor;
};

/// The first --metric names what a program computes, unless it is one of ours, to be measured beside it.
std::string program_name(const EvalFlags& flags) {
  const bool own = flags.program.command.empty() || flags.metrics.empty() || data::find_metric(flags.metrics[0]);
  return own ? "" : flags.metrics[0];
}

/// The metrics asked for; without any, what the data can give: top1, or the distance from given outputs.
Result<std::vector<const data::MetricInfo*>> choose_metrics(const EvalFlags& flags, const data::Dataset& data,
                                                            const refine::MetricProgram* program) {
  std::vector<std::string> names = flags.metrics;
  std::vector<const data::MetricInfo*> metrics;
  if (program != nullptr) metrics.push_back(&program->info());
  if (!program_name(flags).empty()) names.erase(names.begin());
  if (names.empty() && program == nullptr) {
    if (!data.has_labels()) {
      auto first = data.sample(0);
      if (!first) return first.error();
      if (first->targets.empty()) {
        return usage_error(flags.data.data.path + ": has no labels, so there is nothing to measure",
                           std::string("name them with ") +
                               (flags.data.features.empty() ? "--labels" : "--label COLUMN") +
                               ", or compare with another model ('edgesmith compare')");
      }
    }
    names = {data.has_labels() ? "top1" : "mae"};
  }
  for (const std::string& name : names) {
    const auto metric = metric_named(name);
    if (!metric) return metric.error();
    if ((*metric)->needs_reference) {
      return usage_error("metric '" + name + "' compares two models", "use 'edgesmith compare A B --data D'");
    }
    metrics.push_back(*metric);
  }
  return metrics;
}

nlohmann::ordered_json value_json(const refine::MetricValue& value) {
  return {{"name", value.metric->name},
          {"value", value.value},
          {"ci95", {value.ci95[0], value.ci95[1]}},
          {"unit", value.metric->unit}};
}

/// What one target makes of the model.
struct TargetResult {
  std::string target, arithmetic;
  refine::Evaluation evaluation;
};

double samples_per_second(const refine::Evaluation& evaluation) {
  return static_cast<double>(evaluation.samples) / std::max(evaluation.seconds, 1e-9);
}

std::string as_json(const EvalFlags& flags, const std::vector<TargetResult>& results) {
  const refine::Evaluation& evaluation = results[0].evaluation;
  nlohmann::ordered_json all = nlohmann::ordered_json::array(), targets = nlohmann::ordered_json::array();
  for (const auto& numbers : evaluation.metrics) all.push_back(value_json(numbers.value()));
  for (const TargetResult& result : results) {
    if (result.target.empty()) continue;
    targets.push_back({{"name", result.target},
                       {"arithmetic", result.arithmetic},
                       {"metric", value_json(result.evaluation.metrics[0].value())}});
  }
  return nlohmann::ordered_json({{"schema", "edgesmith.eval/1"},
                                 {"model", flags.model},
                                 {"metric", value_json(evaluation.metrics[0].value())},
                                 {"metrics", std::move(all)},
                                 {"arithmetic", results[0].arithmetic},
                                 {"targets", std::move(targets)},
                                 {"samples", evaluation.samples},
                                 {"seconds", evaluation.seconds},
                                 {"samples_per_second", samples_per_second(evaluation)},
                                 {"warnings", log::take_warnings()}})
      .dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string as_text(const refine::Evaluation& evaluation, const Common& common) {
  report::Table table({report::Table::Align::left, report::Table::Align::right, report::Table::Align::left});
  for (const auto& numbers : evaluation.metrics) {
    const refine::MetricValue value = numbers.value();
    const auto number = [&](double x) { return refine::metric_text(*value.metric, x); };
    const bool sure = std::isfinite(value.ci95[0]) && std::isfinite(value.ci95[1]);
    table.row({std::string(value.metric->name), number(value.value),
               sure ? "95 %: " + number(value.ci95[0]) + " to " + number(value.ci95[1]) : "no interval"});
  }
  char speed[96];
  std::snprintf(speed, sizeof speed, "%.0f samples/s", samples_per_second(evaluation));
  table.row({"samples", refine::grouped(evaluation.samples), report::seconds_text(evaluation.seconds) + ", " + speed});
  return table.text(use_color(common));
}

std::string targets_text(const std::vector<TargetResult>& results, const Common& common) {
  using Align = report::Table::Align;
  report::Table table({Align::left, Align::left, Align::right, Align::left});
  const data::MetricInfo& metric = *results[0].evaluation.metrics[0].metric;
  table.head({"target", "arithmetic", std::string(metric.name), "95 %"});
  for (const TargetResult& result : results) {
    const refine::MetricValue value = result.evaluation.metrics[0].value();
    const auto number = [&](double x) { return refine::metric_text(metric, x); };
    table.row({result.target, result.arithmetic, number(value.value),
               number(value.ci95[0]) + " to " + number(value.ci95[1])});
  }
  return table.text(use_color(common)) + "\n  " + refine::grouped(results[0].evaluation.samples) + " samples\n";
}

/// The targets asked for with the names of their arithmetic; one without a name when none is.
Result<std::vector<TargetResult>> wanted_results(const EvalFlags& flags) {
  if (flags.targets.empty()) return std::vector<TargetResult>{{"", flags.executor.arithmetic, {}}};
  std::vector<TargetResult> results;
  for (const std::string& name : split(flags.targets, ',')) {
    const auto target = targets::load_target(name);
    if (!target) return target.error();
    results.push_back({target->name, std::string(targets::arithmetic_name(target->arithmetic)), {}});
  }
  return results;
}

/// Measures once for every arithmetic among `results`.
Status evaluate_all(const ir::Graph& graph, const data::Dataset& data,
                    const std::vector<const data::MetricInfo*>& metrics, refine::MeasureContext context,
                    std::vector<TargetResult>& results) {
  for (size_t i = 0; i < results.size(); ++i) {
    const auto same = std::find_if(results.begin(), results.end(), [&](const TargetResult& other) {
      return other.arithmetic == results[i].arithmetic;
    });
    const auto before = static_cast<size_t>(same - results.begin());
    if (before < i) {
      results[i].evaluation = results[before].evaluation;
      continue;
    }
    const auto arithmetic = runtime::find_arithmetic(results[i].arithmetic);
    if (!arithmetic) return arithmetic.error();
    context.executor.arithmetic = *arithmetic;
    auto evaluation = refine::evaluate(graph, data, metrics, nullptr,
                                       results.size() > 1 ? "evaluate " + results[i].arithmetic : "evaluate", context);
    if (!evaluation) return evaluation.error();
    results[i].evaluation = std::move(*evaluation);
  }
  return {};
}

Result<int> run(const EvalFlags& flags, const Common& common) {
  auto spec = make_spec(flags.data.data, flags.data, common.color, common.seed.value_or(0));
  if (!spec) return spec.error();
  if (!*spec) return usage_error("eval: no data given", "add --data D");
  auto results = wanted_results(flags);
  if (!results) return results.error();
  auto graph = onnx::import_file(flags.model);
  if (!graph) return graph.error();
  auto data = data::open_dataset(**spec, *graph);
  if (!data) return data.error();
  data::warn_about_missing_classes(**spec, *graph);
  const auto program = make_program(flags.program, program_name(flags));
  if (!program) return program.error();
  auto metrics = choose_metrics(flags, **data, program->get());
  if (!metrics) return metrics.error();
  auto progress = make_progress(common);
  if (!progress) return progress.error();
  ThreadPool pool(common.threads);
  const auto executor = flags.executor.options(common, pool.num_threads());
  if (!executor) return executor.error();
  refine::MeasureContext context;
  context.pool = &pool;
  context.progress = progress->get();
  context.executor = *executor;
  context.program = program->get();
  context.required_metrics = metrics->size();
  const Status evaluated = evaluate_all(*graph, **data, *metrics, context, *results);
  if (!evaluated) return evaluated.error().in(flags.model);
  EDGESMITH_TRY(show_document(common, "eval " + flags.model, as_json(flags, *results), [&] {
    return flags.targets.empty() ? as_text((*results)[0].evaluation, common) : targets_text(*results, common);
  }));
  return 0;
}

}  // namespace

void add_eval(Program& program) {
  auto flags = std::make_shared<EvalFlags>();
  Command* command = program.add_command("eval", "Measure how accurate a model is",
                                         [flags](const Common& common) { return run(*flags, common); });
  command->add_option("model", flags->model, "the .onnx file")->required()->type_name("MODEL");
  add_data_option(command, "data", flags->data.data, "labelled samples");
  add_preprocess_options(command, flags->data);
  command->add_option("--metric", flags->metrics, "what is measured (default top1); may be repeated")
      ->type_name("NAME");
  add_program_options(command, flags->program, "");
  command
      ->add_option("--targets", flags->targets,
                   "measure with the arithmetic of each of these targets, such as ort-x86,cmsis-nn-l4r5")
      ->type_name("NAME,...")
      ->suggest(target_names());
  add_executor_options(command, flags->executor, program.common);
  add_report_option(command, program.common);
  add_work_options(command, program.common);
}

}  // namespace edgesmith::cli
