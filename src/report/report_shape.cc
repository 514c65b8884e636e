// SPDX-License-Identifier: Apache-2.0
// The schema of a report, from examples that the writer writes.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "edgesmith/report/json.h"
#include "report/schema_parts.h"

namespace edgesmith::report {
namespace {

using Json = nlohmann::ordered_json;
using refine::RunReport;

/// Members whose keys are not the writer's: options, names of figures, recipes (docs/recipes.md).
bool is_open(const std::string& path) {
  static const std::vector<std::string> kOpen = {"/recipe/data",       "/recipe/gate",      "/recipe/step/*",
                                                 "/data/*/preprocess", "/steps/*/measured", "/steps/*/options",
                                                 "/layers/*/numbers"};
  return std::find(kOpen.begin(), kOpen.end(), path) != kOpen.end();
}

/// A report with one of everything.
RunReport full_report() {
  RunReport report;
  const refine::MetricValue metric{data::find_metric("top1"), 90.5, {90, 91}, 100};
  const data::PairedDifference drop{0.5, {0.1, 0.9}};
  const refine::TargetMetric target{"ort-x86", "exact-i32", metric, drop};
  report.model.size.peak_activation_bytes = 1;
  report.recipe.steps.push_back({"simplify", passes::Options(passes::find_pass("simplify")->options()), {}, {}});
  report.data.push_back({"eval", "eval.npz", 100, true, "{\"scale\":0.5}", "digest"});
  report.baseline = metric;
  refine::StepReport step;
  step.pass = "simplify";
  step.from_cache = step.eval_from_cache = true;
  step.metric = metric;
  step.drop = drop;
  step.agreement = 99.5;
  step.sqnr_db = 30.5;
  step.targets = {target};
  step.size.peak_activation_bytes = 1;
  step.notes = {"a note"};
  step.layers.push_back({"conv", "Conv", "y", "int8", "why", "what to do", {{"sqnr_db", 30.5}}});
  step.weights.push_back({"conv", "Conv", 4, 4, 2, -0.5, 0.5, {1, 1}, 1, 16, {-0.5, 0.5}});
  step.curves.push_back({"loss", "", {0.5}, {0.5}});
  report.steps.push_back(step);
  report.output = report.model;
  report.output_notes = {"a note"};
  report.final_metric = metric;
  report.final_drop = drop;
  report.final_agreement = 99.5;
  report.final_sqnr_db = 30.5;
  report.final_needs = {256, 20.5, 1.5, {1.25, 1.75}, true};
  report.final_targets = {target};
  report.test_before = report.test_after = metric;
  report.test_drop = drop;
  report.warnings = {"a warning"};
  return report;
}

/// The same run as far as it can be with nothing optional in it.
RunReport bare_report() {
  RunReport report = full_report();
  report.model.size.peak_activation_bytes.reset();
  report.data[0].preprocess.clear();
  report.baseline.reset();
  refine::StepReport step;
  step.pass = "simplify";
  step.layers = report.steps[0].layers;
  step.weights = report.steps[0].weights;
  step.curves = report.steps[0].curves;
  report.steps = {step};
  report.output.reset();
  report.final_metric.reset();
  report.final_needs = {};
  report.final_targets.clear();
  report.test_before.reset();
  report.test_after.reset();
  return report;
}

const char* type_of(const Json& value) {
  switch (value.type()) {
    case Json::value_t::boolean: return "boolean";
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned: return "integer";
    case Json::value_t::number_float: return "number";
    case Json::value_t::string: return "string";
    case Json::value_t::array: return "array";
    case Json::value_t::object: return "object";
    default: return "null";
  }
}

/// What is at a place in each of the examples (null pointers: it is not there).
Json shape_of(const std::vector<const Json*>& examples, const std::string& path) {
  Json types = Json::array();
  std::vector<const Json*> objects;
  std::vector<const Json*> items;
  const auto add_type = [&](const char* type) {
    if (std::find(types.begin(), types.end(), Json(type)) == types.end()) types.push_back(type);
  };
  for (const Json* example : examples) {
    add_type(type_of(*example));
    if (example->is_number_float()) add_type("null");  // what is not finite
    if (example->is_object()) objects.push_back(example);
    if (!example->is_array()) continue;
    for (const Json& item : *example) items.push_back(&item);
  }
  Json shape = Json::object();
  if (types.size() == 1 && types[0] != "null") shape["type"] = types[0];
  if (types.size() > 1) shape["type"] = types;
  if (!items.empty()) shape["items"] = shape_of(items, path + "/*");
  if (objects.empty() || is_open(path)) return shape;
  Json properties = Json::object(), required = Json::array();
  for (const auto& [key, value] : objects[0]->items()) {
    std::vector<const Json*> members;
    for (const Json* object : objects) {
      if (object->contains(key)) members.push_back(&(*object)[key]);
    }
    properties[key] = shape_of(members, path + "/" + key);
    if (members.size() == objects.size()) required.push_back(key);
  }
  shape["properties"] = std::move(properties);
  shape["required"] = std::move(required);
  return shape;
}

/// A model was written, and nothing measured.
RunReport unmeasured_report() {
  RunReport report = bare_report();
  report.output = report.model;
  return report;
}

/// Of what the target needs the memory alone is known, or the time alone.
RunReport partly_known_report(bool memory) {
  RunReport report = unmeasured_report();
  if (memory) report.final_needs.ram_bytes = 256;
  if (!memory) report.final_needs.latency_us = 20.5;
  return report;
}

}  // namespace

std::string report_shape() {
  const Json full = Json::parse(run_json(full_report())), bare = Json::parse(run_json(bare_report())),
             unmeasured = Json::parse(run_json(unmeasured_report())),
             memory = Json::parse(run_json(partly_known_report(true))),
             time = Json::parse(run_json(partly_known_report(false)));
  Json shape = shape_of({&full, &bare, &unmeasured, &memory, &time}, "");
  shape["properties"]["schema"] = {{"const", full["schema"]}};
  Json statuses = Json::array();
  for (const refine::StepStatus status :
       {refine::StepStatus::accepted, refine::StepStatus::rolled_back, refine::StepStatus::failed,
        refine::StepStatus::unchanged, refine::StepStatus::undecided, refine::StepStatus::cancelled}) {
    statuses.push_back(refine::status_name(status));
  }
  shape["properties"]["steps"]["items"]["properties"]["status"] = {{"enum", std::move(statuses)}};
  shape["properties"]["exit_code"] = {{"enum", {0, 1}}};
  for (const char* model : {"model", "output"}) {
    shape["properties"][model]["properties"]["bytes"]["minimum"] = 0;
  }
  return shape.dump();
}

}  // namespace edgesmith::report
