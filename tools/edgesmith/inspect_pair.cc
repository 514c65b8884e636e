// SPDX-License-Identifier: Apache-2.0
#include "inspect_pair.h"

#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

#include "edgesmith/base/text.h"
#include "edgesmith/refine/gate.h"
#include "edgesmith/report/terminal.h"

namespace edgesmith::cli {
namespace {

using Json = nlohmann::ordered_json;
using report::Table;

std::string plain_text(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.is_null() ? "not known" : value.dump();
}

/// "-71.3 %", or "" where that says nothing.
std::string change_text(const Json& a, const Json& b) {
  if (!a.is_number() || !b.is_number() || a == b || a.get<double>() == 0) return "";
  char text[32];
  std::snprintf(text, sizeof text, "%+.1f %%", 100 * (b.get<double>() / a.get<double>() - 1));
  return text;
}

std::string count_cell(const Json& value) {
  return value.is_number_integer() ? refine::grouped(value.get<int64_t>()) : plain_text(value);
}

/// Names and types of inputs or outputs, in a line.
std::string signature_text(const Json& values) {
  std::vector<std::string> parts;
  for (const Json& value : values) parts.push_back(plain_text(value["name"]) + " " + plain_text(value["type"]));
  return join(parts, ", ");
}

std::map<std::string, int64_t> counts_of(const Json& ops) {
  std::map<std::string, int64_t> counts;
  for (const Json& op : ops) counts[op["op"].get<std::string>()] = op["count"].get<int64_t>();
  return counts;
}

}  // namespace

std::string pair_json(const std::string& a, const std::string& b) {
  return Json({{"schema", "edgesmith.inspect-pair/1"}, {"a", Json::parse(a)}, {"b", Json::parse(b)}})
      .dump(2, ' ', false, Json::error_handler_t::replace);
}

std::string pair_text(const std::string& a_text, const std::string& b_text, bool color) {
  const Json a = Json::parse(a_text), b = Json::parse(b_text);
  Table table({Table::Align::left, Table::Align::right, Table::Align::right, Table::Align::right});
  table.head({"", plain_text(a["model"]["path"]), plain_text(b["model"]["path"]), "change"});
  static constexpr std::pair<const char*, const char*> kFigures[] = {
      {"bytes", "bytes"},        {"params", "parameters"}, {"nonzero", "not zero"},
      {"macs", "multiply-adds"}, {"nodes", "nodes"},       {"peak_activation_bytes", "activation bytes"},
      {"opset", "opset"}};
  for (const auto& [key, name] : kFigures) {
    const Json &before = a["model"][key], &after = b["model"][key];
    table.row(
        {name, count_cell(before), count_cell(after), std::string(key) == "opset" ? "" : change_text(before, after)});
  }
  table.row({"quantized values", count_cell(a["quantized"]["values"]), count_cell(b["quantized"]["values"]), ""});
  for (const char* side : {"inputs", "outputs"}) {
    if (a[side] != b[side]) table.row({side, signature_text(a[side]), signature_text(b[side]), "differ"});
  }
  std::map<std::string, std::pair<int64_t, int64_t>> ops;
  for (const auto& [op, count] : counts_of(a["ops"])) ops[op].first = count;
  for (const auto& [op, count] : counts_of(b["ops"])) ops[op].second = count;
  for (const auto& [op, counts] : ops) {
    const auto& [before, after] = counts;
    if (before != after) table.row({op, std::to_string(before), std::to_string(after), ""});
  }
  std::string text = table.text(color);
  for (const Json* side : {&a, &b}) {
    const Json& account = (*side)["metadata"].value("edgesmith.provenance", Json());
    const std::string steps = account.is_string() ? provenance_text(account.get<std::string>()) : "";
    if (!steps.empty()) text += "  " + plain_text((*side)["model"]["path"]) + ": " + steps + "\n";
  }
  return text;
}

std::string provenance_text(const std::string& account) {
  const Json json = Json::parse(account, nullptr, false);
  if (!json.is_object() || !json.contains("steps") || !json["steps"].is_array()) return "";
  std::vector<std::string> steps;
  for (const Json& step : json["steps"]) {
    if (!step.is_object()) return "";
    std::vector<std::string> options;
    for (const auto& [key, value] : step.items()) {
      if (key != "pass") options.push_back(key + " " + plain_text(value));
    }
    steps.push_back(plain_text(step.value("pass", Json())) + (options.empty() ? "" : " (" + join(options, ", ") + ")"));
  }
  std::string text = join(steps, ", ") + "; by " + plain_text(json.value("tool", Json()));
  const Json result = json.value("result", Json());
  if (result.is_object() && result.contains("metric") && result.contains("value") && result["value"].is_number()) {
    char value[32];
    std::snprintf(value, sizeof value, " %.5g", result["value"].get<double>());
    text += ", " + plain_text(result["metric"]) + value;
  }
  const Json source = json.value("model", Json());
  if (source.is_string()) text += ", from " + source.get<std::string>().substr(0, 12);
  return text;
}

}  // namespace edgesmith::cli
