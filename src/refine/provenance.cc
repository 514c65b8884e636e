// SPDX-License-Identifier: Apache-2.0
#include "refine/provenance.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

namespace edgesmith::refine {
namespace {

using Json = nlohmann::ordered_json;

/// Digits of a hash that tell data sets apart; the report has all of them.
constexpr size_t kDigits = 16;

bool is_path_row(const passes::OptionSchema& schema, const std::string& name) {
  return std::any_of(schema.begin(), schema.end(), [&](const passes::OptionRow& row) {
    return row.name == name && row.kind == passes::OptionKind::path;
  });
}

/// Where a training was interrupted says nothing of the model.
bool is_way_station(const std::string& name) { return name == "checkpoint" || name == "resume"; }

Json step_entry(const Step& step) {
  Json entry = {{"pass", step.pass}};
  for (const auto& [name, value] : step.options.effective()) {
    if (!step.options.given(name) || is_way_station(name)) continue;
    entry[name] = std::visit([](const auto& v) { return Json(v); }, value);
    if (is_path_row(step.options.schema(), name)) {
      entry[name] = std::filesystem::path(entry[name].get<std::string>()).filename().string();
    }
  }
  if (step.max_drop) entry["max_drop"] = *step.max_drop;
  if (step.max_bytes) entry["max_bytes"] = *step.max_bytes;
  return entry;
}

}  // namespace

std::string provenance_json(const Provenance& provenance, const std::string* before) {
  const Recipe& recipe = *provenance.recipe;
  Json json = {{"tool", "edgesmith " EDGESMITH_VERSION}, {"model", *provenance.model_sha256}};
  if (recipe.target != Recipe().target) json["target"] = std::filesystem::path(recipe.target).filename().string();
  if (recipe.seed != 0) json["seed"] = recipe.seed;
  for (const DataReport& data : *provenance.data) {
    if (data.role != "test")
      json["data"][data.role] = {{"sha256", data.digest.substr(0, kDigits)}, {"samples", data.samples}};
  }
  json["steps"] = Json::array();
  for (const Step* step : provenance.steps) json["steps"].push_back(step_entry(*step));
  if (recipe.gate.max_drop) json["gate"]["max_drop"] = *recipe.gate.max_drop;
  if (recipe.gate.max_bytes) json["gate"]["max_bytes"] = *recipe.gate.max_bytes;
  if (provenance.metric) {
    json["result"] = {{"metric", provenance.metric->metric->name}, {"value", provenance.metric->value}};
    if (provenance.drop) json["result"]["drop"] = provenance.drop->drop;
  }
  if (before != nullptr) {
    Json earlier = Json::parse(*before, nullptr, false);
    if (earlier.is_object()) json["of"] = std::move(earlier);
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

ir::Graph with_provenance(const ir::Graph& graph, const Provenance& provenance) {
  ir::Graph stamped = graph.clone();
  stamped.set_metadata(kProvenanceKey, provenance_json(provenance, graph.find_metadata(kProvenanceKey)));
  return stamped;
}

}  // namespace edgesmith::refine
