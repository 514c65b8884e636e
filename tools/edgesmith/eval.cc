// SPDX-License-Identifier: Apache-2.0
// `edgesmith eval`: how accurate a model is, and how fast it ran here.
#include <nlohmann/json.hpp>

#include "cli.h"
#include "data_flags.h"
#include "edgesmith/base/log.h"
#include "edgesmith/base/text.h"
#include "edgesmith/onnx/import.h"
#include "edgesmith/refine/measure.h"
#include "edgesmith/report/terminal.h"
#include "executor_flags.h"

namespace edgesmith::cli {
namespace {

struct EvalFlags {
  std::string model;
  std::vector<std::string> metrics;
  DataFlags data;
  ExecutorFlags executor;
};

/// The metrics asked for; without any, what the data can give: top1, or the distance from given outputs.
Result<std::vector<const data::MetricInfo*>> choose_metrics(const EvalFlags& flags, const data::Dataset& data) {
  std::vector<std::string> names = flags.metrics;
  if (names.empty()) {
    if (!data.has_labels()) {
      auto first = data.sample(0);
      if (!first) return first.error();
      if (first->targets.empty()) {
        return usage_error(flags.data.data.path + ": has no labels, so there is nothing to measure",
                           "name the labels, or compare with another model ('edgesmith compare')");
      }
    }
    names = {data.has_labels() ? "top1" : "mae"};
  }
  std::vector<const data::MetricInfo*> metrics;
  for (const std::string& name : names) {
    const data::MetricInfo* metric = data::find_metric(name);
    if (metric == nullptr) return usage_error("unknown metric '" + name + "'", "see 'edgesmith metrics'");
    if (metric->needs_reference) {
      return usage_error("metric '" + name + "' compares two models", "use 'edgesmith compare A B --data D'");
    }
    metrics.push_back(metric);
  }
  return metrics;
}

nlohmann::ordered_json value_json(const refine::MetricValue& value) {
  return {{"name", value.metric->name},
          {"value", value.value},
          {"ci95", {value.ci95[0], value.ci95[1]}},
          {"unit", value.metric->unit}};
}

double samples_per_second(const refine::Evaluation& evaluation) {
  return static_cast<double>(evaluation.samples) / std::max(evaluation.seconds, 1e-9);
}

std::string as_json(const EvalFlags& flags, const refine::Evaluation& evaluation) {
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const auto& numbers : evaluation.metrics) all.push_back(value_json(numbers.value()));
  return nlohmann::ordered_json({{"schema", "edgesmith.eval/1"},
                                 {"model", flags.model},
                                 {"metric", value_json(evaluation.metrics[0].value())},
                                 {"metrics", std::move(all)},
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
    table.row({std::string(value.metric->name), number(value.value),
               "95 %: " + number(value.ci95[0]) + " to " + number(value.ci95[1])});
  }
  char speed[96];
  std::snprintf(speed, sizeof speed, "%.0f samples/s", samples_per_second(evaluation));
  table.row({"samples", refine::grouped(evaluation.samples), report::seconds_text(evaluation.seconds) + ", " + speed});
  return table.text(use_color(common));
}

Result<int> run(const EvalFlags& flags, const Common& common) {
  auto spec = make_spec(flags.data.data, flags.data, common.color, common.seed.value_or(0));
  if (!spec) return spec.error();
  if (!*spec) return usage_error("eval: no data given", "add --data D");
  auto graph = onnx::import_file(flags.model);
  if (!graph) return graph.error();
  auto data = data::open_dataset(**spec, *graph);
  if (!data) return data.error();
  auto metrics = choose_metrics(flags, **data);
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
  context.required_metrics = metrics->size();
  auto evaluation = refine::evaluate(*graph, **data, *metrics, nullptr, "evaluate", context);
  if (!evaluation) return evaluation.error().in(flags.model);
  EDGESMITH_TRY(show_document(common, "eval " + flags.model, as_json(flags, *evaluation),
                              [&] { return as_text(*evaluation, common); }));
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
  add_executor_options(command, flags->executor, program.common);
  add_report_option(command, program.common);
  add_work_options(command, program.common);
}

}  // namespace edgesmith::cli
