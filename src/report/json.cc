// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/report/json.h"

#include <nlohmann/json.hpp>

#include "edgesmith/data/preprocess.h"

namespace edgesmith::report {
namespace {

using Json = nlohmann::ordered_json;
using refine::MetricValue;
using refine::ModelFile;
using refine::ModelSize;
using refine::Recipe;
using refine::RunReport;
using refine::StepReport;

Json option_json(const passes::OptionValue& value) {
  return std::visit([](const auto& v) { return Json(v); }, value);
}

Json data_json(const data::DataSpec& spec) {
  Json json = {{"path", spec.path}};
  if (!spec.labels.empty()) json["labels"] = spec.labels;
  if (!spec.features.empty()) json["features"] = spec.features;
  if (spec.limit != 0) json["limit"] = spec.limit;
  for (const auto& [input, preprocess] : spec.preprocess) {
    Json parsed = Json::parse(preprocess.json(), nullptr, false);
    if (input.empty())
      json["preprocess"] = std::move(parsed);
    else
      json["preprocess." + input] = std::move(parsed);
  }
  return json;
}

Json recipe_json(const Recipe& recipe) {
  Json json = {{"model", recipe.model}, {"target", recipe.target}, {"output", recipe.output}, {"seed", recipe.seed}};
  if (!recipe.preprocess.empty()) {
    json["preprocess"] = Json::parse(data::preprocess_json(recipe.preprocess), nullptr, false);
  }
  Json data = Json::object();
  if (recipe.data.calib) data["calib"] = data_json(*recipe.data.calib);
  if (recipe.data.train) data["train"] = data_json(*recipe.data.train);
  if (recipe.data.eval) data["eval"] = data_json(*recipe.data.eval);
  if (recipe.data.test) data["test"] = data_json(*recipe.data.test);
  json["data"] = std::move(data);
  Json gate = Json::object();
  if (!recipe.gate.metric.empty()) gate["metric"] = recipe.gate.metric;
  if (!recipe.gate.metric_command.empty()) {
    gate["metric_command"] = recipe.gate.metric_command;
    gate["metric_timeout"] = recipe.gate.metric_timeout;
    gate["metric_better"] = recipe.gate.metric_lower ? "lower" : "higher";
  }
  if (recipe.gate.max_drop) gate["max_drop"] = *recipe.gate.max_drop;
  if (recipe.gate.max_bytes) gate["max_bytes"] = *recipe.gate.max_bytes;
  if (recipe.gate.max_ram) gate["max_ram"] = *recipe.gate.max_ram;
  if (recipe.gate.max_latency_us) gate["max_latency_us"] = *recipe.gate.max_latency_us;
  if (recipe.gate.min_speedup) gate["min_speedup"] = *recipe.gate.min_speedup;
  if (!recipe.gate.targets.empty()) gate["targets"] = recipe.gate.targets;
  gate["on_fail"] = recipe.gate.on_fail == refine::OnFail::fail ? "fail" : "rollback";
  gate["undecided"] = recipe.gate.undecided == refine::OnUndecided::fail ? "fail" : "accept";
  json["gate"] = std::move(gate);
  Json steps = Json::array();
  for (const refine::Step& step : recipe.steps) {
    Json entry = {{"pass", step.pass}};
    for (const auto& [name, value] : step.options.effective()) {
      if (step.options.given(name)) entry[name] = option_json(value);
    }
    if (step.max_drop) entry["max_drop"] = *step.max_drop;
    if (step.max_bytes) entry["max_bytes"] = *step.max_bytes;
    steps.push_back(std::move(entry));
  }
  json["step"] = std::move(steps);
  return json;
}

Json optional_json(const std::optional<int64_t>& value) { return value ? Json(*value) : Json(); }
Json optional_json(const std::optional<double>& value) { return value ? Json(*value) : Json(); }

Json metric_json(const MetricValue& metric) {
  return {{"metric", metric.metric->name},
          {"value", metric.value},
          {"ci95", {metric.ci95[0], metric.ci95[1]}},
          {"unit", metric.metric->unit},
          {"samples", metric.samples}};
}

/// A metric measured against the original.
Json compared_json(const std::optional<MetricValue>& metric, const std::optional<data::PairedDifference>& drop,
                   const std::optional<double>& agreement, const std::optional<double>& sqnr_db) {
  if (!metric) return nullptr;
  Json json = {{"name", metric->metric->name}, {"value", metric->value}};
  json["drop"] = drop ? Json(drop->drop) : Json();
  json["ci95"] = drop ? Json{drop->ci95[0], drop->ci95[1]} : Json();
  json["agreement"] = optional_json(agreement);
  json["sqnr_db"] = optional_json(sqnr_db);
  json["samples"] = metric->samples;
  return json;
}

/// The same under the arithmetic of every target that the gate names.
Json targets_json(const std::vector<refine::TargetMetric>& targets) {
  Json json = Json::array();
  for (const refine::TargetMetric& target : targets) {
    json.push_back({{"name", target.target},
                    {"arithmetic", target.arithmetic},
                    {"value", target.metric.value},
                    {"drop", target.drop.drop},
                    {"ci95", {target.drop.ci95[0], target.drop.ci95[1]}}});
  }
  return json;
}

Json size_json(const ModelSize& size) {
  return {{"bytes", size.bytes},     {"params", size.params},
          {"nonzero", size.nonzero}, {"macs", size.macs},
          {"nodes", size.nodes},     {"peak_activation_bytes", optional_json(size.peak_activation_bytes)}};
}

Json model_json(const ModelFile& file) {
  return {{"path", file.path},
          {"sha256", file.sha256},
          {"bytes", file.size.bytes},
          {"params", file.size.params},
          {"nonzero", file.size.nonzero},
          {"macs", file.size.macs},
          {"nodes", file.size.nodes},
          {"peak_activation_bytes", optional_json(file.size.peak_activation_bytes)},
          {"opset", file.opset}};
}

/// Null when no budget asks.
Json needs_json(const refine::TargetNeeds& needs) {
  if (!needs.ram_bytes && !needs.latency_us) return nullptr;
  Json json = {{"ram_bytes", optional_json(needs.ram_bytes)},
               {"latency_us", optional_json(needs.latency_us)},
               {"speedup", optional_json(needs.speedup)}};
  json["speedup_ci95"] = needs.measured ? Json{needs.speedup_ci95[0], needs.speedup_ci95[1]} : Json();
  json["times"] = !needs.latency_us ? Json() : needs.measured ? Json("measured") : Json("cost model");
  return json;
}

Json weights_json(const StepReport& step) {
  Json weights = Json::array();
  for (const refine::WeightPicture& picture : step.weights) {
    weights.push_back({{"node", picture.node},
                       {"op", picture.op},
                       {"elements", picture.elements},
                       {"nonzero_before", picture.nonzero_before},
                       {"nonzero", picture.nonzero},
                       {"low", picture.low},
                       {"high", picture.high},
                       {"histogram", picture.histogram},
                       {"codebooks", picture.codebooks},
                       {"codebook_size", picture.codebook_size},
                       {"entries", picture.entries}});
  }
  return weights;
}

Json curves_json(const StepReport& step) {
  Json curves = Json::array();
  for (const train::Curve& curve : step.curves) {
    curves.push_back({{"name", curve.name}, {"unit", curve.unit}, {"steps", curve.steps}, {"values", curve.values}});
  }
  return curves;
}

Json step_json(const StepReport& step) {
  Json options = Json::object();
  for (const auto& [name, value] : step.options) options[name] = option_json(value);
  Json json = {{"pass", step.pass},
               {"status", refine::status_name(step.status)},
               {"kept", step.kept},
               {"reason", step.reason},
               {"seconds", step.seconds},
               {"eval_seconds", step.eval_seconds},
               {"metric", compared_json(step.metric, step.drop, step.agreement, step.sqnr_db)},
               {"targets", targets_json(step.targets)},
               {"size", size_json(step.size)},
               {"weights", weights_json(step)},
               {"curves", curves_json(step)},
               {"measured", step.measured},
               {"options", std::move(options)},
               {"notes", step.notes}};
  if (step.from_cache) json["cached"].push_back("pass");
  if (step.eval_from_cache) json["cached"].push_back("measurement");
  return json;
}

Json layers_json(const RunReport& report) {
  Json layers = Json::array();
  for (const StepReport& step : report.steps) {
    for (const passes::LayerRecord& layer : step.layers) {
      layers.push_back({{"pass", step.pass},
                        {"node", layer.node},
                        {"op", layer.op},
                        {"value", layer.value},
                        {"status", layer.status},
                        {"reason", layer.reason},
                        {"advice", layer.advice},
                        {"numbers", layer.numbers}});
    }
  }
  return layers;
}

Json datasets_json(const RunReport& report) {
  Json datasets = Json::array();
  for (const refine::DataReport& data : report.data) {
    Json preprocess = data.preprocess.empty() ? Json() : Json::parse(data.preprocess, nullptr, false);
    datasets.push_back({{"role", data.role},
                        {"path", data.path},
                        {"samples", data.samples},
                        {"labels", data.labels},
                        {"sha256", data.digest},
                        {"preprocess", std::move(preprocess)}});
  }
  return datasets;
}

Json test_json(const RunReport& report) {
  if (!report.test_before || !report.test_after) return nullptr;
  return {{"before", metric_json(*report.test_before)},
          {"after", metric_json(*report.test_after)},
          {"drop", report.test_drop->drop},
          {"ci95", {report.test_drop->ci95[0], report.test_drop->ci95[1]}}};
}

}  // namespace

std::string_view tool_version() { return EDGESMITH_VERSION; }

std::string run_json(const RunReport& report) {
  Json json = {{"schema", "edgesmith.report/1"},
               {"tool", {{"version", tool_version()}, {"isa", report.isa}}},
               {"command", report.command},
               {"exit_code", report.exit_code},
               {"verdict", report.verdict},
               {"model", model_json(report.model)},
               {"recipe", recipe_json(report.recipe)},
               {"data", datasets_json(report)},
               {"baseline", report.baseline ? metric_json(*report.baseline) : Json()}};
  Json steps = Json::array();
  for (const StepReport& step : report.steps) steps.push_back(step_json(step));
  json["steps"] = std::move(steps);
  json["output"] = report.output ? model_json(*report.output) : Json();
  if (report.output) {
    json["output"]["metric"] =
        compared_json(report.final_metric, report.final_drop, report.final_agreement, report.final_sqnr_db);
    json["output"]["needs"] = needs_json(report.final_needs);
    json["output"]["targets"] = targets_json(report.final_targets);
    json["output"]["notes"] = report.output_notes;
  }
  json["test"] = test_json(report);
  json["layers"] = layers_json(report);
  json["peak_rss_bytes"] = report.peak_rss_bytes;
  json["seconds"] = report.seconds;
  json["warnings"] = report.warnings;
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace edgesmith::report
