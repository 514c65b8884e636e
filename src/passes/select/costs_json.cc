// SPDX-License-Identifier: Apache-2.0
// edgesmith.costs/1 (docs/select.md), written and read with nlohmann/json.
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "edgesmith/base/file.h"
#include "edgesmith/passes/costs.h"

namespace edgesmith::passes {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kSchema = "edgesmith.costs/1";
constexpr const char* kHint =
    "make one with 'edgesmith bench FLOAT INT8 --emit-costs costs.json' or tools/ort-costs.py";

Json time_json(const NodeTime& time) {
  Json json = {{"time_us", time.us}};
  if (!time.inside.empty()) json["inside"] = time.inside;
  return json;
}

Json model_json(const MeasuredModel& model) {
  return {{"path", model.path}, {"sha256", model.sha256}, {"time_us", model.us}};
}

Json conversion_json(const ConversionTime& time) {
  return {{"time_us", time.us}, {"time_us_per_element", time.us_per_element}};
}

/// Reads members; the first one that is missing or wrong is remembered by its path ("nodes[3].int8.time_us").
class Reader {
 public:
  const Json& at(const Json& json, const std::string& name, const std::string& where) {
    static const Json kNone;
    if (json.is_object() && json.contains(name)) return json[name];
    fail(where + name);
    return kNone;
  }
  std::string text(const Json& json, const std::string& name, const std::string& where) {
    const Json& member = at(json, name, where);
    if (member.is_string()) return member.get<std::string>();
    fail(where + name);
    return "";
  }
  /// A finite number of at least 0.
  double number(const Json& json, const std::string& name, const std::string& where) {
    const Json& member = at(json, name, where);
    const double value = member.is_number() ? member.get<double>() : -1;
    if (value >= 0 && std::isfinite(value)) return value;
    fail(where + name);
    return 0;
  }
  MeasuredModel model(const Json& json, const std::string& where) {
    return {text(json, "path", where), text(json, "sha256", where), number(json, "time_us", where)};
  }
  MeasuredMixture mixture(const Json& json, const std::string& where) {
    MeasuredMixture mixture{model(json, where), {}};
    for (const Json& key : at(json, "float32", where)) {
      if (key.is_string()) mixture.float32.push_back(key.get<std::string>());
      if (!key.is_string()) fail(where + "float32");
    }
    return mixture;
  }
  ConversionTime conversion(const Json& json, const std::string& name) {
    const std::string where = "conversions." + name + ".";
    const Json& member = at(json, name, "conversions.");
    return {number(member, "time_us", where), number(member, "time_us_per_element", where)};
  }
  NodeCosts node(const Json& json, const std::string& where) {
    NodeCosts costs{text(json, "node", where), text(json, "op", where), {}, {}};
    costs.float32 = time(json, "float32", where);
    costs.int8 = time(json, "int8", where);
    return costs;
  }
  const std::string& wrong() const { return wrong_; }

 private:
  std::optional<NodeTime> time(const Json& json, const char* name, const std::string& where) {
    if (!json.is_object() || !json.contains(name)) return std::nullopt;
    const std::string inner = where + name + ".";
    NodeTime time{number(json[name], "time_us", inner), ""};
    if (json[name].is_object() && json[name].contains("inside")) time.inside = text(json[name], "inside", inner);
    return time;
  }
  void fail(const std::string& path) {
    if (wrong_.empty()) wrong_ = path;
  }

  std::string wrong_;
};

}  // namespace

std::vector<std::string> node_keys(const ir::Graph& graph) {
  std::map<std::string, int> count;
  for (const ir::Node& node : graph.nodes()) ++count[node.name()];
  std::vector<std::string> keys(static_cast<size_t>(graph.num_node_ids()));
  for (const ir::Node& node : graph.nodes()) {
    const bool named = !node.name().empty() && count[node.name()] == 1;
    if (named || node.num_outputs() == 0) {
      keys[static_cast<size_t>(node.id())] = node.name();
    } else {
      keys[static_cast<size_t>(node.id())] = node.output().name();
    }
  }
  return keys;
}

std::string costs_json(const Costs& costs) {
  Json nodes = Json::array();
  for (const NodeCosts& node : costs.nodes) {
    Json json = {{"node", node.node}, {"op", node.op}};
    if (node.float32) json["float32"] = time_json(*node.float32);
    if (node.int8) json["int8"] = time_json(*node.int8);
    nodes.push_back(std::move(json));
  }
  Json json = {
      {"schema", kSchema},
      {"measured_by",
       {{"runtime", costs.runtime}, {"version", costs.version}, {"cpu", costs.cpu}, {"threads", costs.threads}}},
      {"models", {{"float32", model_json(costs.float32)}, {"int8", model_json(costs.int8)}}},
      {"conversions",
       {{"quantize", conversion_json(costs.quantize)}, {"dequantize", conversion_json(costs.dequantize)}}},
      {"nodes", std::move(nodes)}};
  for (const MeasuredMixture& mixture : costs.mixtures) {
    Json measured = model_json(mixture.model);
    measured["float32"] = mixture.float32;
    json["mixtures"].push_back(std::move(measured));
  }
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

Result<Costs> read_costs(const std::string& path) {
  const auto text = read_file(path);
  if (!text) return text.error();
  const Json json = Json::parse(*text, nullptr, false);
  if (json.is_discarded() || !json.is_object()) return invalid_error(path + ": no costs (it is not JSON)", kHint);
  Reader reader;
  const std::string schema = reader.text(json, "schema", "");
  if (schema != kSchema) {
    return invalid_error(path + ": no costs (its schema is '" + schema + "', not '" + kSchema + "')", kHint);
  }
  Costs costs;
  const Json& by = reader.at(json, "measured_by", "");
  costs.runtime = reader.text(by, "runtime", "measured_by.");
  costs.version = reader.text(by, "version", "measured_by.");
  costs.cpu = reader.text(by, "cpu", "measured_by.");
  costs.threads = static_cast<int64_t>(reader.number(by, "threads", "measured_by."));
  const Json& models = reader.at(json, "models", "");
  costs.float32 = reader.model(reader.at(models, "float32", "models."), "models.float32.");
  costs.int8 = reader.model(reader.at(models, "int8", "models."), "models.int8.");
  const Json& conversions = reader.at(json, "conversions", "");
  costs.quantize = reader.conversion(conversions, "quantize");
  costs.dequantize = reader.conversion(conversions, "dequantize");
  for (const Json& node : reader.at(json, "nodes", "")) {
    costs.nodes.push_back(reader.node(node, "nodes[" + std::to_string(costs.nodes.size()) + "]."));
  }
  if (json.contains("mixtures")) {
    for (const Json& mixture : json["mixtures"]) {
      const std::string where = "mixtures[" + std::to_string(costs.mixtures.size()) + "].";
      costs.mixtures.push_back(reader.mixture(mixture, where));
    }
  }
  if (reader.wrong().empty()) return costs;
  return invalid_error(path + ": the costs' member '" + reader.wrong() + "' is missing or wrong", kHint);
}

}  // namespace edgesmith::passes
