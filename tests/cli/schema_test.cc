// SPDX-License-Identifier: Apache-2.0
// `edgesmith schema`: what the schemas name, and that the one of reports describes reports.
#include "cli/tool_test.h"

namespace edgesmith::testing {
namespace {

using CliSchema = ToolTest;

TEST_F(CliSchema, SchemasNameEveryPassAndKey) {
  const Json recipe = Json::parse(run({"schema", "recipe"}).out);
  EXPECT_EQ(recipe["$schema"], "https://json-schema.org/draft/2020-12/schema");
  for (const char* key : {"model", "target", "output", "seed", "data", "gate", "step"}) {
    EXPECT_TRUE(recipe["properties"].contains(key)) << key;
  }
  EXPECT_EQ(recipe["additionalProperties"], false);
  bool quantize = false;
  for (const Json& step : recipe["$defs"]["step"]["oneOf"]) {
    if (step["title"] != "quantize") continue;
    quantize = true;
    EXPECT_FALSE(step["properties"]["calibrator"]["enum"].empty());
    EXPECT_EQ(step["properties"]["max_drop"]["minimum"], 0);
  }
  EXPECT_TRUE(quantize);
  EXPECT_TRUE(Json::parse(run({"schema", "data"}).out)["$defs"]["data"]["properties"].contains("limit"));
  EXPECT_FALSE(Json::parse(run({"schema", "target"}).out)["required"].empty());
  EXPECT_EQ(run({"schema", "recipes"}).exit_code, 2);
}

TEST_F(CliSchema, ThatOfAManifestNamesItsKeysAndThoseOfRecipes) {
  const Json manifest = Json::parse(run({"schema", "manifest"}).out);
  const Json &head = manifest["properties"], &model = manifest["$defs"]["model"]["properties"];
  const std::vector<std::string> both = {"recipe", "calib", "train", "eval", "test", "set"};
  for (const std::string& key : both) EXPECT_TRUE(head.contains(key) && model.contains(key)) << key;
  EXPECT_EQ(head.size(), both.size() + 2) << "and output, model";
  EXPECT_EQ(model.size(), both.size() + 4) << "and path, glob, except, name";
  const Json& set = manifest["$defs"]["set"]["properties"];
  EXPECT_TRUE(set["gate"]["properties"].contains("max_drop"));
  EXPECT_TRUE(set["step"]["properties"]["quantize"]["properties"].contains("weights"));
  EXPECT_FALSE(set["step"]["properties"]["quantize"]["properties"].contains("pass"));
  for (const Json* table : {&head, &model}) {
    for (const auto& [key, schema] : table->items()) EXPECT_TRUE(schema.contains("description")) << key;
  }
}

/// The type that a schema wants, or one of them.
bool takes(const Json& schema, const Json& value) {
  if (!schema.contains("type")) return true;
  const std::string type = value.is_null()             ? "null"
                           : value.is_object()         ? "object"
                           : value.is_array()          ? "array"
                           : value.is_string()         ? "string"
                           : value.is_boolean()        ? "boolean"
                           : value.is_number_integer() ? "integer"
                                                       : "number";
  const auto fits = [&](const Json& wanted) { return wanted == type || (wanted == "number" && type == "integer"); };
  if (!schema["type"].is_array()) return fits(schema["type"]);
  return std::any_of(schema["type"].begin(), schema["type"].end(), fits);
}

void expect_described(const Json& schema, const Json& value, const std::string& path) {
  EXPECT_TRUE(takes(schema, value)) << path << ": " << value << " under " << schema["type"];
  for (const Json& key : schema.value("required", Json::array())) {
    EXPECT_TRUE(!value.is_object() || value.contains(key)) << path << " lacks " << key;
  }
  if (value.is_object() && schema.contains("properties")) {
    for (const auto& [key, member] : value.items()) {
      ASSERT_TRUE(schema["properties"].contains(key)) << path << "/" << key;
      expect_described(schema["properties"][key], member, path + "/" + key);
    }
  }
  if (value.is_array() && schema.contains("items")) {
    for (const Json& item : value) expect_described(schema["items"], item, path + "/*");
  }
}

TEST_F(CliSchema, TheSchemaOfAReportDescribesReports) {
  const Json schema = Json::parse(run({"schema", "report"}).out);
  write_model(kTinyModel, folder_ / "m.onnx");
  write_data(folder_ / "calib.npz", 20, 2);
  write_data(folder_ / "eval.npz", 30, 1);
  for (const char* output : {"a.onnx", "b.onnx"}) {  // the second comes from the cache
    expect_described(schema,
                     json_of({"quantize", "m.onnx", "-o", output, "--calib", "calib.npz", "--eval", "eval.npz",
                              "--gate-targets", "ort-x86", "--cache-dir", "cache"}),
                     "");
  }
  expect_described(schema, json_of({"simplify", "m.onnx", "-o", "c.onnx"}), "");
}

}  // namespace
}  // namespace edgesmith::testing
