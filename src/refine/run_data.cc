// SPDX-License-Identifier: Apache-2.0
#include "refine/run_data.h"

#include <algorithm>

#include "edgesmith/base/log.h"
#include "edgesmith/data/class_names.h"
#include "edgesmith/data/preprocess.h"
#include "edgesmith/refine/measure.h"

namespace edgesmith::refine {
namespace {

Status open_role(const char* role, const Recipe& recipe, const std::optional<data::DataSpec>& spec,
                 const ir::Graph& graph, RunData& data, std::unique_ptr<data::Dataset>& dataset) {
  if (!spec) return {};
  data::DataSpec declared = *spec;
  if (declared.preprocess.empty()) declared.preprocess = recipe.preprocess;
  auto opened = data::open_dataset(declared, graph);
  if (!opened) return opened.error();
  dataset = std::move(*opened);
  DataReport report;
  report.role = role;
  report.path = spec->path;
  report.samples = dataset->size();
  report.labels = dataset->has_labels();
  report.preprocess = data::preprocess_json(dataset->preprocess_table());
  auto digest = dataset->digest();
  if (!digest) return digest.error();
  report.digest = std::move(*digest);
  if (!data.reports.empty() && data.reports.front().preprocess != report.preprocess) {
    log::warning("the preprocessing of the " + std::string(role) + " data is not that of the " +
                 data.reports.front().role + " data");
  }
  if (data.preprocess.empty()) data.preprocess = report.preprocess;
  data.reports.push_back(std::move(report));
  return {};
}

Status check_overlap(const char* what, const data::Dataset* seen, const char* with, const data::Dataset* judge,
                     bool is_error) {
  if (seen == nullptr || judge == nullptr) return {};
  auto shared = data::count_shared_samples(*seen, *judge);
  if (!shared) return shared.error();
  if (*shared == 0) return {};
  const std::string message =
      grouped(*shared) + " of the " + grouped(seen->size()) + " " + what + " samples are also in the " + with + " data";
  if (is_error) return invalid_error(message, "keep the data apart: the measured accuracy would be too good");
  log::warning(message + ": the measured accuracy is too good");
  return {};
}

/// Ranges and moments hardly change beyond some hundred samples, and every further one costs the same time again.
constexpr int64_t kPlentyCalibration = 1024;
/// From here on nobody chose the number with calibration in mind.
constexpr int64_t kManyCalibration = 4096;

// Whole training sets are rarely meant.
void say_when_many(const Recipe& recipe, const data::Dataset* calib) {
  const bool used = std::any_of(recipe.steps.begin(), recipe.steps.end(), [](const Step& step) {
    const passes::PassInfo& pass = *passes::find_pass(step.pass);
    return pass.may_calib || passes::needs_calib(pass, step.options);
  });
  if (calib == nullptr || !used || recipe.data.calib->limit > 0 || calib->size() <= kManyCalibration) return;
  const std::string enough = std::to_string(kPlentyCalibration);
  log::info("calibration takes " + grouped(calib->size()) + " samples of " + recipe.data.calib->path + "; " +
            grouped(kPlentyCalibration) + " are usually enough: --calib-limit " + enough + ", or limit = " + enough +
            " in a recipe");
}

}  // namespace

Result<RunData> open_run_data(const Recipe& recipe, const ir::Graph& graph) {
  RunData data;
  EDGESMITH_TRY(open_role("calib", recipe, recipe.data.calib, graph, data, data.calib));
  say_when_many(recipe, data.calib.get());
  EDGESMITH_TRY(open_role("train", recipe, recipe.data.train, graph, data, data.train));
  EDGESMITH_TRY(open_role("eval", recipe, recipe.data.eval, graph, data, data.eval));
  EDGESMITH_TRY(open_role("test", recipe, recipe.data.test, graph, data, data.test));
  // Not those of calibration, whose labels nobody asks for.
  for (const auto* judged : {&recipe.data.train, &recipe.data.eval, &recipe.data.test}) {
    if (*judged) data::warn_about_missing_classes(**judged, graph);
  }
  if (data.preprocess.empty()) data.preprocess = data::preprocess_json(recipe.preprocess);
  EDGESMITH_TRY(check_overlap("calibration", data.calib.get(), "evaluation", data.eval.get(), false));
  EDGESMITH_TRY(check_overlap("training", data.train.get(), "evaluation", data.eval.get(), false));
  EDGESMITH_TRY(check_overlap("calibration", data.calib.get(), "test", data.test.get(), true));
  EDGESMITH_TRY(check_overlap("training", data.train.get(), "test", data.test.get(), true));
  EDGESMITH_TRY(check_overlap("evaluation", data.eval.get(), "test", data.test.get(), false));
  return data;
}

Result<RunData> reopen_run_data(const Recipe& recipe, const ir::Graph& graph, const std::string& preprocess) {
  const auto table = data::preprocess_from_json(preprocess);
  if (!table) return table.error();
  RunData data;
  data.preprocess = preprocess;
  const std::pair<const std::optional<data::DataSpec>&, std::unique_ptr<data::Dataset>&> roles[] = {
      {recipe.data.calib, data.calib},
      {recipe.data.train, data.train},
      {recipe.data.eval, data.eval},
      {recipe.data.test, data.test}};
  for (const auto& [spec, dataset] : roles) {
    if (!spec) continue;
    auto opened = data::open_dataset(*spec, graph, &*table);
    if (!opened) return opened.error();
    dataset = std::move(*opened);
  }
  return data;
}

Result<std::vector<const data::MetricInfo*>> choose_metrics(const Recipe& recipe, const data::Dataset& data,
                                                            const MetricProgram* program) {
  const data::MetricInfo* first = program != nullptr           ? &program->info()
                                  : recipe.gate.metric.empty() ? default_metric(data)
                                                               : data::find_metric(recipe.gate.metric);
  if (first == nullptr) return usage_error("unknown metric '" + recipe.gate.metric + "'", "see 'edgesmith metrics'");
  std::vector<const data::MetricInfo*> metrics = {first};
  for (const char* name : {"agreement", "sqnr"}) {
    const data::MetricInfo* metric = data::find_metric(name);
    if (metric != nullptr && metric != first) metrics.push_back(metric);
  }
  return metrics;
}

}  // namespace edgesmith::refine
