// SPDX-License-Identifier: Apache-2.0
// plan.json, the schema edgesmith.plan/1 (docs/select.md): written and read with nlohmann/json.
#include <nlohmann/json.hpp>

#include "edgesmith/base/file.h"
#include "edgesmith/refine/select.h"

namespace edgesmith::refine {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kSchema = "edgesmith.plan/1";

void add_kernel(Json& json, const TimedKernel& kernel) {
  json["kernel"] = kernel.kernel;
  json["precision"] = kernel.precision;
  json["layout"] = kernel.layout;
  json["time_us"] = kernel.time.warm_us;
  json["cold_us"] = kernel.time.cold_us;
}

Json node_json(const PlannedNode& node) {
  Json json = {{"id", node.id}, {"node", node.node}, {"op", node.op}};
  add_kernel(json, node.chosen);
  if (!node.fused.empty()) json["fused"] = node.fused;
  if (node.fixed) {
    json["fixed"] = true;
    return json;
  }
  json["runner_up"] = nullptr;
  if (node.runner_up) add_kernel(json["runner_up"] = Json::object(), *node.runner_up);
  json["why_not"] = Json::array();
  for (const auto& [kernel, reason] : node.why_not) json["why_not"].push_back({{"kernel", kernel}, {"reason", reason}});
  return json;
}

// What is read member by member: the first one that is missing or of the wrong kind is remembered.
class Reader {
 public:
  template <typename T>
  T get(const Json& json, const char* name) {
    const bool there = json.is_object() && json.contains(name);
    if (!there || !fits<T>(json[name])) {
      if (missing_.empty()) missing_ = name;
      return T();
    }
    return json[name].get<T>();
  }
  const Json& list(const Json& json, const char* name) {
    static const Json kNone = Json::array();
    if (json.is_object() && json.contains(name) && json[name].is_array()) return json[name];
    if (missing_.empty()) missing_ = name;
    return kNone;
  }
  const Json& object(const Json& json, const char* name) {
    static const Json kNone = Json::object();
    return json.is_object() && json.contains(name) && json[name].is_object() ? json[name] : kNone;
  }
  TimedKernel kernel(const Json& json) {
    return {get<std::string>(json, "kernel"),
            get<std::string>(json, "precision"),
            get<std::string>(json, "layout"),
            {get<double>(json, "time_us"), get<double>(json, "cold_us")}};
  }
  const std::string& missing() const { return missing_; }

 private:
  template <typename T>
  static bool fits(const Json& json) {
    if constexpr (std::is_same_v<T, std::string>) return json.is_string();
    if constexpr (std::is_same_v<T, bool>) return json.is_boolean();
    if constexpr (std::is_same_v<T, int>) return json.is_number_integer();
    return json.is_number();
  }

  std::string missing_;
};

PlannedNode read_node(Reader& reader, const Json& json) {
  PlannedNode node;
  node.id = reader.get<int>(json, "id");
  node.node = reader.get<std::string>(json, "node");
  node.op = reader.get<std::string>(json, "op");
  node.chosen = reader.kernel(json);
  if (json.is_object() && json.contains("fused")) {
    for (const Json& name : reader.list(json, "fused")) {
      if (name.is_string()) node.fused.push_back(name.get<std::string>());
    }
  }
  node.fixed = json.is_object() && json.contains("fixed") && reader.get<bool>(json, "fixed");
  if (node.fixed) return node;
  const Json& runner_up = reader.object(json, "runner_up");
  if (!runner_up.empty()) node.runner_up = reader.kernel(runner_up);
  for (const Json& other : reader.list(json, "why_not")) {
    node.why_not.emplace_back(reader.get<std::string>(other, "kernel"), reader.get<std::string>(other, "reason"));
  }
  return node;
}

}  // namespace

std::string plan_json(const Plan& plan) {
  Json nodes = Json::array();
  for (const PlannedNode& node : plan.nodes) nodes.push_back(node_json(node));
  return Json({{"schema", kSchema},
               {"model", {{"path", plan.model_path}, {"sha256", plan.model_sha256}}},
               {"target", plan.target},
               {"version", plan.version},
               {"cpu", plan.cpu},
               {"isa", plan.isa},
               {"arithmetic", runtime::arithmetic_word(plan.arithmetic)},
               {"reassociate", plan.reassociate},
               {"nodes", std::move(nodes)},
               {"predicted_us", plan.predicted_us},
               {"measured_us", plan.measured_us},
               {"default_us", plan.default_us},
               {"default_was_faster", plan.default_was_faster}})
      .dump(2, ' ', false, Json::error_handler_t::replace);
}

Result<Plan> read_plan(const std::string& path) {
  const auto text = read_file(path);
  if (!text) return text.error();
  const Json json = Json::parse(*text, nullptr, false);
  if (json.is_discarded() || !json.is_object()) {
    return invalid_error(path + ": no plan (it is not JSON)", "make one with 'edgesmith select MODEL -o plan.json'");
  }
  Reader reader;
  const std::string schema = reader.get<std::string>(json, "schema");
  if (schema != kSchema) {
    return invalid_error(path + ": no plan (its schema is '" + schema + "', not '" + kSchema + "')",
                         "make one with 'edgesmith select MODEL -o plan.json'");
  }
  const std::string target = reader.get<std::string>(json, "target");
  if ((!target.empty() && target != "host") || json.contains("precision")) {
    return usage_error(path + ": a plan of precisions for '" + target + "', not of kernels for this machine",
                       "give 'select' --model-output and run the model it writes there");
  }
  Plan plan;
  const Json& model = reader.object(json, "model");
  plan.model_path = reader.get<std::string>(model, "path");
  plan.model_sha256 = reader.get<std::string>(model, "sha256");
  plan.target = target;
  plan.version = reader.get<std::string>(json, "version");
  plan.cpu = reader.get<std::string>(json, "cpu");
  plan.isa = reader.get<std::string>(json, "isa");
  plan.reassociate = reader.get<bool>(json, "reassociate");
  plan.predicted_us = reader.get<double>(json, "predicted_us");
  plan.measured_us = reader.get<double>(json, "measured_us");
  plan.default_us = reader.get<double>(json, "default_us");
  plan.default_was_faster = reader.get<bool>(json, "default_was_faster");
  for (const Json& node : reader.list(json, "nodes")) plan.nodes.push_back(read_node(reader, node));
  const std::string arithmetic = reader.get<std::string>(json, "arithmetic");
  if (!reader.missing().empty()) {
    return invalid_error(path + ": the plan's member '" + reader.missing() + "' is missing or of the wrong kind");
  }
  const auto found = runtime::find_arithmetic(arithmetic);
  if (!found) return invalid_error(path + ": " + found.error().message, found.error().hint);
  plan.arithmetic = *found;
  return plan;
}

}  // namespace edgesmith::refine
