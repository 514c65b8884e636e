// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/zoo/schema.h"

#include <map>
#include <nlohmann/json.hpp>

#include "edgesmith/report/schema.h"
#include "edgesmith/zoo/manifest.h"

namespace edgesmith::zoo {
namespace {

using Json = nlohmann::ordered_json;

/// Options of one pass in `set`: those of its step, less the pass.
Json options_of(const Json& step) {
  Json options = step;
  options["properties"].erase("pass");
  options.erase("required");
  return options;
}

/// `set`: keys of a recipe, all of them optional, and steps by pass or by number.
Json set_schema(const Json& recipe) {
  Json properties = recipe["properties"], steps = Json::object();
  for (const Json& step : recipe["$defs"]["step"]["oneOf"]) steps[step["title"]] = options_of(step);
  properties["step"] = {{"type", "object"},
                        {"properties", std::move(steps)},
                        {"patternProperties", {{"^[1-9][0-9]*$", {{"type", "object"}}}}},
                        {"additionalProperties", false}};
  for (auto& [role, schema] : properties["data"]["properties"].items()) {
    schema["anyOf"] = {{{"type", "string"}}, {{"type", "object"}}};  // one key of it may be set
  }
  return {{"type", "object"}, {"properties", std::move(properties)}, {"additionalProperties", false}};
}

/// What a key of a manifest holds; one that is not here may hold anything.
Json key_schema(const refine::RecipeKey& key) {
  const Json text = {{"type", "string"}}, texts = {{"type", "array"}, {"items", text}, {"minItems", 1}};
  const Json one_or_more = {{"anyOf", {text, texts}}};
  const Json data = {{"anyOf", {text, {{"$ref", "#/$defs/data"}}}}};
  const std::map<std::string, std::pair<Json, const char*>> kinds = {
      {"recipe", {text, "the recipe, relative to the manifest"}},
      {"calib", {data, "samples that ranges and choices of passes come from"}},
      {"train", {data, "samples to train on"}},
      {"eval", {data, "what the gate looks at"}},
      {"test", {data, "measured once at the end, for the report only"}},
      {"set", {{{"$ref", "#/$defs/set"}}, "keys of the recipe that are replaced"}},
      {"output", {text, "folder of the results (default: the manifest's name with -results)"}},
      {"model", {{{"type", "array"}, {"items", {{"$ref", "#/$defs/model"}}}, {"minItems", 1}}, "the models"}},
      {"path", {one_or_more, "files of models"}},
      {"glob", {one_or_more, "patterns of files of models"}},
      {"except", {one_or_more, "file names that the glob should not have matched"}},
      {"name", {text, "of the model's folder in the results; {stem} is the file's name without .onnx"}},
  };
  const auto found = kinds.find(key.key);
  if (found == kinds.end()) return Json::object();
  Json schema = found->second.first;
  schema["description"] = found->second.second;
  return schema;
}

Json table_schema(const std::vector<refine::RecipeKey>& keys, const std::string& table) {
  Json properties = Json::object();
  for (const refine::RecipeKey& key : keys) {
    if (key.table == table) properties[key.key] = key_schema(key);
  }
  return {{"type", "object"}, {"properties", std::move(properties)}, {"additionalProperties", false}};
}

}  // namespace

std::string manifest_schema_json() {
  const Json recipe = Json::parse(report::schema_json("recipe"));
  const std::vector<refine::RecipeKey> keys = manifest_keys();
  Json schema = {{"$schema", recipe["$schema"]},
                 {"$id", "urn:edgesmith:schema:manifest"},
                 {"title", "Manifest of edgesmith zoo (docs/zoo.md)"}};
  schema.update(table_schema(keys, "the manifest"));
  schema["required"] = {"model"};
  Json model = table_schema(keys, "[[model]]");
  model["anyOf"] = {{{"required", {"path"}}}, {{"required", {"glob"}}}};
  schema["$defs"] = {{"data", recipe["$defs"]["data"]},
                     {"preprocess", recipe["$defs"]["preprocess"]},
                     {"set", set_schema(recipe)},
                     {"model", std::move(model)}};
  return schema.dump(2) + "\n";
}

}  // namespace edgesmith::zoo
