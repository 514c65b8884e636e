// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/report/schema.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "edgesmith/base/text.h"
#include "edgesmith/data/metric.h"
#include "edgesmith/data/preprocess.h"
#include "edgesmith/passes/pass.h"
#include "edgesmith/refine/recipe.h"
#include "edgesmith/targets/target.h"
#include "report/schema_parts.h"
#include "targets/profile_keys.h"

namespace edgesmith::report {
namespace {

using Json = nlohmann::ordered_json;
using passes::OptionKind;
using passes::OptionRow;
using refine::RecipeKey;

Json head(const std::string& kind, const std::string& title) {
  return {{"$schema", "https://json-schema.org/draft/2020-12/schema"},
          {"$id", "urn:edgesmith:schema:" + kind},
          {"title", title}};
}

Json closed_object(Json properties) {
  return {{"type", "object"}, {"properties", std::move(properties)}, {"additionalProperties", false}};
}

Json text_list() { return {{"type", "array"}, {"items", {{"type", "string"}}}}; }

/// A number, or a fraction as text ("1/255").
Json number_or_fraction() {
  return {{"anyOf", {{{"type", "number"}}, {{"type", "string"}, {"pattern", "^[-+0-9.eE]+(/[-+0-9.eE]+)?$"}}}}};
}

// --- data

/// What the keys of a description of data hold; a key that is not here may hold anything.
Json data_key_schema(const std::string& key) {
  const Json text = {{"type", "string"}}, size = {{"type", "integer"}, {"exclusiveMinimum", 0}};
  const Json numbers = {{"anyOf", {number_or_fraction(), {{"type", "array"}, {"items", number_or_fraction()}}}}};
  const std::map<std::string, Json> kinds = {
      {"path", text},
      {"labels", text},
      {"limit", size},
      {"preprocess.color", {{"enum", {"rgb", "bgr", "gray"}}}},
      {"preprocess.crop_fraction", number_or_fraction()},
      {"preprocess.crop", size},
      {"preprocess.layout", {{"enum", {"nchw", "nhwc"}}}},
      {"preprocess.scale", number_or_fraction()},
      {"preprocess.mean", numbers},
      {"preprocess.std", numbers},
      {"preprocess.resize.short", size},
      {"preprocess.resize.to", {{"type", "array"}, {"items", size}, {"minItems", 2}, {"maxItems", 2}}},
      {"preprocess.resize.filter", {{"enum", {"nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"}}}},
  };
  const auto found = kinds.find(key);
  return found == kinds.end() ? Json::object() : found->second;
}

/// Definitions "data" and "preprocess".
Json data_definitions() {
  Json top = Json::object(), steps = Json::object(), resize = Json::object();
  for (const std::string& key : data::data_spec_keys()) {
    const std::string last = key.substr(key.rfind('.') + 1);
    Json& place = key.starts_with("preprocess.resize.") ? resize : key.starts_with("preprocess.") ? steps : top;
    place[last] = data_key_schema(key);
  }
  Json resize_schema = closed_object(std::move(resize));
  resize_schema["anyOf"] = {{{"required", {"short"}}}, {{"required", {"to"}}}};
  steps["resize"] = std::move(resize_schema);
  Json common = steps;
  top["preprocess"] = {{"type", "object"},
                       {"description", "of every input, or [preprocess.NAME] for one"},
                       {"properties", std::move(common)},
                       {"additionalProperties", {{"$ref", "#/$defs/preprocess"}}}};
  Json data = closed_object(std::move(top));
  data["required"] = {"path"};
  return {{"data", std::move(data)}, {"preprocess", closed_object(std::move(steps))}};
}

Json data_schema() {
  Json schema = head("data", "Data of edgesmith (docs/data.md)");
  schema["$ref"] = "#/$defs/data";
  schema["$defs"] = data_definitions();
  return schema;
}

// --- recipe

/// What a key is for, where its name does not say it.
std::string help_of(const std::string& table, const std::string& key) {
  static const std::map<std::string, std::string> kHelp = {
      {"the recipe/model", "the .onnx file, relative to the recipe"},
      {"the recipe/output", "where the result goes: .onnx, or .esm for a packed file"},
      {"the recipe/target", "what the result is for: a name, or the path of a profile"},
      {"the recipe/seed", "of every random choice"},
      {"the recipe/step", "the passes, in order"},
      {"[data]/calib", "samples that ranges and choices of passes come from"},
      {"[data]/train", "samples to train on"},
      {"[data]/eval", "what the gate looks at"},
      {"[data]/test", "measured once at the end, for the report only"},
      {"[gate]/metric", "default: top1 where there are labels, else agreement"},
      {"[gate]/max_drop", "against the original: points for top1 and top5, else the metric's own unit"},
      {"[gate]/max_bytes", "of the finished file, judged after the last step"},
      {"[gate]/targets", "budgets of accuracy hold with the arithmetic of each of these"},
      {"[gate]/on_fail", "what happens to a step beyond a budget"},
      {"[gate]/undecided", "what happens when the samples cannot tell"},
      {"step/max_drop", "what this step may cost, against the model before it"},
      {"step/max_bytes", "judged right after this step"},
  };
  const auto found = kHelp.find(table + "/" + key);
  return found == kHelp.end() ? "" : found->second;
}

/// A number, or a text of a number and one of `units` (a regular expression).
Json number_or_text(Json number, const std::string& units) {
  Json text = {{"type", "string"}, {"pattern", "^ *[0-9.]+ *" + units + " *$"}};
  Json any = Json::array();
  any.push_back(std::move(number));
  any.push_back(std::move(text));
  return {{"anyOf", std::move(any)}};
}

Json key_schema(const RecipeKey& key) {
  switch (key.kind) {
    case RecipeKey::Kind::any: return Json::object();
    case RecipeKey::Kind::text: return {{"type", "string"}};
    case RecipeKey::Kind::number: return {{"type", "number"}, {"minimum", key.least}};
    case RecipeKey::Kind::integer: return {{"type", "integer"}, {"minimum", static_cast<int64_t>(key.least)}};
    case RecipeKey::Kind::bytes:
      return number_or_text({{"type", "integer"}, {"minimum", 1}}, "[kKmMgGtT]?([iI]?[bB])?");
    case RecipeKey::Kind::seconds: return number_or_text({{"type", "number"}, {"exclusiveMinimum", 0}}, "(s|m|min|h)?");
    case RecipeKey::Kind::texts: return text_list();
    case RecipeKey::Kind::word: return {{"type", "string"}, {"enum", key.words}};
  }
  return Json::object();
}

/// The keys of one table, as properties.
Json table_properties(const std::vector<RecipeKey>& keys, const std::string& table) {
  Json properties = Json::object();
  for (const RecipeKey& key : keys) {
    if (key.table != table) continue;
    Json schema = key_schema(key);
    const std::string help = help_of(table == "step 1" ? "step" : table, key.key);
    if (!help.empty()) schema["description"] = help;
    properties[key.key] = std::move(schema);
  }
  return properties;
}

Json option_schema(const OptionRow& row) {
  Json schema = Json::object();
  switch (row.kind) {
    case OptionKind::flag: schema["type"] = "boolean"; break;
    case OptionKind::integer: schema["type"] = "integer"; break;
    case OptionKind::real: schema["type"] = "number"; break;
    case OptionKind::word:
    case OptionKind::path: schema["type"] = "string"; break;
    case OptionKind::text_list: schema["anyOf"] = {text_list(), {{"type", "string"}}}; break;
  }
  if (row.min < row.max && row.kind == OptionKind::integer) {
    schema["minimum"] = static_cast<int64_t>(row.min);
    schema["maximum"] = static_cast<int64_t>(row.max);
  } else if (row.min < row.max) {
    schema["minimum"] = row.min;
    schema["maximum"] = row.max;
  }
  if (!row.words.empty()) schema["enum"] = row.words;
  schema["description"] =
      std::string(row.help) + (row.fallback.empty() ? "" : " (default " + std::string(row.fallback) + ")");
  return schema;
}

/// A step is one of the passes with its own options.
Json step_schema(const std::vector<RecipeKey>& keys) {
  const Json common = table_properties(keys, "step 1");
  Json choices = Json::array(), names = Json::array();
  for (const passes::PassInfo& pass : passes::all_passes()) {
    Json properties = {{"pass", {{"const", pass.name}}}};
    for (const auto& [name, schema] : common.items()) {
      if (name != "pass") properties[name] = schema;
    }
    for (const OptionRow& row : pass.options()) properties[std::string(row.name)] = option_schema(row);
    Json choice = {{"title", pass.name}, {"description", pass.summary}};
    choice.update(closed_object(std::move(properties)));
    choice["required"] = {"pass"};
    choices.push_back(std::move(choice));
    names.push_back(pass.name);
  }
  return {{"type", "object"},
          {"required", {"pass"}},
          {"properties", {{"pass", {{"enum", std::move(names)}}}}},
          {"oneOf", std::move(choices)}};
}

Json target_name() {
  Json names = Json::array();
  for (const targets::Target& target : targets::all_targets()) names.push_back(target.name);
  return {{"anyOf", {{{"enum", std::move(names)}}, {{"type", "string"}, {"pattern", "\\.toml$"}}}}};
}

Json gate_schema(const std::vector<RecipeKey>& keys) {
  Json gate = closed_object(table_properties(keys, "[gate]"));
  Json& properties = gate["properties"];
  if (properties.contains("targets")) properties["targets"]["items"] = target_name();
  Json names = Json::array();
  for (const data::MetricInfo& metric : data::all_metrics()) names.push_back(metric.name);
  Json ours = {{"properties", {{"metric", {{"enum", std::move(names)}}}}}};
  if (properties.contains("metric_command")) {  // which may have a name of its own
    gate["if"] = {{"not", {{"required", {"metric_command"}}}}};
    gate["then"] = std::move(ours);
  } else {
    properties["metric"].update(ours["properties"]["metric"]);
  }
  return gate;
}

Json recipe_schema() {
  const std::vector<RecipeKey> keys = refine::recipe_keys();
  Json schema = head("recipe", "Recipe of edgesmith (docs/recipes.md)");
  Json recipe = closed_object(table_properties(keys, "the recipe"));
  Json& properties = recipe["properties"];
  properties["target"].update(target_name());
  properties["target"].erase("type");
  Json data = closed_object(table_properties(keys, "[data]"));
  for (auto& [name, role] : data["properties"].items()) {
    role["anyOf"] = {{{"type", "string"}}, {{"$ref", "#/$defs/data"}}};
  }
  properties["data"] = std::move(data);
  properties["gate"] = gate_schema(keys);
  properties["step"]["type"] = "array";
  properties["step"]["items"] = {{"$ref", "#/$defs/step"}};
  schema.update(recipe);
  schema["$defs"] = data_definitions();
  schema["$defs"]["step"] = step_schema(keys);
  return schema;
}

// --- target

Json units_pattern(targets::KeyKind kind) {
  std::vector<std::string> units;
  for (const auto& [unit, factor] : targets::units_of(kind)) units.emplace_back(unit);
  return {{"type", "string"}, {"pattern", "^ *[0-9.eE+-]+ *(" + join(units, "|") + ") *$"}};
}

Json profile_key_schema(const targets::KeyRow& row) {
  using targets::KeyKind;
  const auto range = [&](Json schema) {
    if (row.min < row.max) {
      schema["minimum"] = row.min;
      schema["maximum"] = row.max;
    }
    return schema;
  };
  switch (row.kind) {
    case KeyKind::text: return {{"type", "string"}};
    case KeyKind::flag: return {{"type", "boolean"}};
    case KeyKind::integer: return range({{"type", "integer"}});
    case KeyKind::number: return range({{"type", "number"}});
    case KeyKind::word: return {{"type", "string"}, {"enum", row.words}};
    case KeyKind::frequency:
    case KeyKind::bytes:
    case KeyKind::bandwidth:
    case KeyKind::power:
    case KeyKind::time: return units_pattern(row.kind);
    case KeyKind::byte_list: return {{"type", "array"}, {"items", units_pattern(KeyKind::bytes)}};
    case KeyKind::range: return {{"type", "array"}, {"items", {{"type", "integer"}}}, {"minItems", 2}, {"maxItems", 2}};
    case KeyKind::code: return {{"type", "array"}, {"items", {{"type", "number"}}}, {"minItems", 2}, {"maxItems", 2}};
    case KeyKind::operators: return text_list();
  }
  return Json::object();
}

Json target_schema() {
  Json schema = head("target", "Target profile of edgesmith (docs/targets.md)");
  schema.update(closed_object(Json::object()));
  for (const targets::KeyRow& row : targets::all_keys()) {
    Json* table = &schema;
    for (const std::string& part : split(row.table, '.')) {
      if (part.empty()) continue;
      Json& properties = (*table)["properties"];
      if (!properties.contains(part)) properties[part] = closed_object(Json::object());
      table = &properties[part];
    }
    Json key = profile_key_schema(row);
    key["description"] = row.help;
    (*table)["properties"][std::string(row.key)] = std::move(key);
    if (row.required) (*table)["required"].push_back(row.key);
  }
  return schema;
}

Json report_schema() {
  Json schema = head("report", "Report of a run of edgesmith (docs/report.md)");
  schema.update(Json::parse(report_shape()));
  return schema;
}

}  // namespace

const std::vector<std::string>& schema_kinds() {
  static const std::vector<std::string> kinds = {"recipe", "data", "target", "report"};
  return kinds;
}

std::string schema_json(std::string_view kind) {
  if (kind == "recipe") return recipe_schema().dump(2) + "\n";
  if (kind == "data") return data_schema().dump(2) + "\n";
  if (kind == "target") return target_schema().dump(2) + "\n";
  return kind == "report" ? report_schema().dump(2) + "\n" : "";
}

}  // namespace edgesmith::report
