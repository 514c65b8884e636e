// SPDX-License-Identifier: Apache-2.0
#include "inspect_output.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "edgesmith/data/preprocess.h"
#include "edgesmith/report/terminal.h"
#include "inspect_pair.h"
#include "inspect_target.h"

namespace edgesmith::cli {
namespace {

using Json = nlohmann::ordered_json;
using report::Table;

std::string quantized_text(const QuantCount& quant) {
  std::string text;
  if (quant.values > 0) {
    text = std::to_string(quant.values) + " values (" + quant.dtypes + "), " + std::to_string(quant.weights) +
           " of them weights";
  }
  if (quant.dynamic > 0) {
    text += (text.empty() ? "" : "; ") + std::to_string(quant.dynamic) +
            (quant.dynamic == 1 ? " operator" : " operators") + " on codes of the run";
  }
  return text.empty() ? "no" : text;
}

/// "21 tensors of 3 to 4-bit indices, 154 kB in place of 1.07 MB".
std::string shared_text(const std::vector<SharedWeight>& shared) {
  int64_t low = shared[0].bits, high = 0, bytes = 0, dense = 0;
  for (const SharedWeight& weight : shared) {
    low = std::min(low, weight.bits);
    high = std::max(high, weight.bits);
    bytes += weight.bytes;
    dense += 4 * weight.weights;
  }
  const std::string bits = low == high ? std::to_string(low) : std::to_string(low) + " to " + std::to_string(high);
  return std::to_string(shared.size()) + " tensors of " + bits + "-bit indices, " + report::bytes_text(bytes) +
         " in place of " + report::bytes_text(dense);
}

}  // namespace

std::string inspection_json(const ir::Graph& graph, const std::string& path, const Inspection& in,
                            const targets::Target* target) {
  Json inputs = Json::array(), outputs = Json::array(), op_list = Json::array();
  for (const ir::Value* input : graph.inputs()) {
    inputs.push_back({{"name", input->name()}, {"type", input->type().text()}});
  }
  for (const auto& [name, type] : results_of(graph)) outputs.push_back({{"name", name}, {"type", type}});
  for (const auto& [op, count] : in.ops) {
    op_list.push_back({{"op", op}, {"count", count.count}, {"macs", count.macs}, {"params", count.params}});
  }
  Json nodes = Json::array();
  for (const NodeRow& row : node_rows(graph)) {
    nodes.push_back(
        {{"name", row.name}, {"op", row.op}, {"output", row.output}, {"type", row.type}, {"macs", row.macs}});
  }
  Json shared = Json::array();
  for (const SharedWeight& weight : in.shared) {
    shared.push_back({{"name", weight.name},
                      {"weights", weight.weights},
                      {"codebooks", weight.codebooks},
                      {"entries", weight.entries},
                      {"entry_dtype", weight.dtype},
                      {"distinct", weight.distinct},
                      {"bits", weight.bits},
                      {"bytes", weight.bytes}});
  }
  Json metadata = Json::object();
  for (const auto& [key, value] : graph.metadata) metadata[key] = value;
  Json costs = target != nullptr ? Json::parse(target_costs_json(graph, *target)) : Json();
  return Json({{"schema", "edgesmith.inspect/1"},
               {"model",
                {{"path", path},
                 {"name", graph.name},
                 {"producer", in.source.producer},
                 {"ir_version", in.source.ir_version},
                 {"opset", in.source.opset},
                 {"external_data", in.source.external_data},
                 {"sha256", in.sha256.empty() ? Json() : Json(in.sha256)},
                 {"bytes", in.size.bytes},
                 {"params", in.size.params},
                 {"nonzero", in.looked_at_weights ? Json(in.size.nonzero) : Json()},
                 {"macs", in.size.macs},
                 {"nodes", in.size.nodes},
                 {"peak_activation_bytes", in.memory ? Json(in.memory->arena_bytes) : Json()},
                 {"activation_lower_bound_bytes", in.memory ? Json(in.memory->lower_bound_bytes) : Json()}}},
               {"inputs", std::move(inputs)},
               {"outputs", std::move(outputs)},
               {"ops", std::move(op_list)},
               {"nodes", std::move(nodes)},
               {"quantized",
                {{"values", in.quant.values},
                 {"weights", in.quant.weights},
                 {"dtypes", in.quant.dtypes},
                 {"dynamic", in.quant.dynamic}}},
               {"shared", std::move(shared)},
               {"weights", Json::parse(weights_json(in.weights))},
               {"weight_totals", Json::parse(totals_json(in.weights))},
               {"forecast", Json::parse(forecasts_json(in.forecasts, in.size.bytes))},
               {"metadata", std::move(metadata)},
               {"problems", in.problems},
               {"float_on_target", in.float_on_target},
               {"target", std::move(costs)}})
      .dump(2, ' ', false, Json::error_handler_t::replace);
}

std::string inspection_text(const ir::Graph& graph, const std::string& path, const Inspection& in,
                            const targets::Target* target, bool verbose, bool color) {
  std::string text = report::paint(path, report::Style::bold, color) + "\n";
  Table facts({Table::Align::left, Table::Align::left});
  facts.row({"made by", (in.source.producer.empty() ? "unknown" : in.source.producer) + ", opset " +
                            std::to_string(in.source.opset) + ", IR " + std::to_string(in.source.ir_version)});
  for (const ir::Value* input : graph.inputs()) facts.row({"input", input->name() + " " + input->type().text()});
  for (const auto& [name, type] : results_of(graph)) facts.row({"output", name + " " + type});
  facts.row({"file", report::bytes_text(in.size.bytes) + (in.source.external_data ? " with external data" : "")});
  if (!in.sha256.empty()) facts.row({"sha256", in.sha256});
  std::string params = refine::grouped(in.size.params);
  if (in.size.nonzero != in.size.params) params += ", " + refine::grouped(in.size.nonzero) + " not zero";
  facts.row({"parameters", params});
  facts.row({"multiply-adds", report::count_text(in.size.macs) + " a sample" +
                                  (in.has_inside ? ", the inside of If, Loop and Scan counted once" : "")});
  if (in.memory) {
    const bool tight = in.memory->arena_bytes == in.memory->lower_bound_bytes;
    facts.row({"activations", report::bytes_text(in.memory->arena_bytes) + " at the peak, for one sample" +
                                  (tight ? ", the least for this order"
                                         : "; at least " + report::bytes_text(in.memory->lower_bound_bytes))});
  }
  facts.row({"quantized", quantized_text(in.quant)});
  if (!in.shared.empty()) facts.row({"shared weights", shared_text(in.shared)});
  if (const std::string* preprocess = graph.find_metadata(data::kPreprocessKey)) {
    facts.row({"preprocessing", *preprocess});
  }
  if (const std::string* account = graph.find_metadata("edgesmith.provenance")) {
    facts.row({"made with", provenance_text(*account)});
  }
  text += facts.text(color) + "\n";
  Table table({Table::Align::left, Table::Align::right, Table::Align::right, Table::Align::right});
  table.head({"op", "nodes", "parameters", "multiply-adds"});
  for (const auto& [op, count] : in.ops) {
    table.row({op, std::to_string(count.count), count.params > 0 ? report::count_text(count.params) : "",
               count.macs > 0 ? report::count_text(count.macs) : ""});
  }
  text += table.text(color);
  if (!in.weights.weights.empty()) text += "\n" + weights_text(in.weights, verbose, color);
  if (!in.forecasts.empty()) text += "\n" + forecasts_text(in.forecasts, in.size.bytes, color);
  if (verbose) {
    Table nodes({Table::Align::left, Table::Align::left, Table::Align::left, Table::Align::left, Table::Align::right});
    nodes.head({"node", "op", "output", "type", "multiply-adds"});
    for (const NodeRow& row : node_rows(graph)) {
      nodes.row({row.name, row.op, row.output, row.type, row.macs > 0 ? report::count_text(row.macs) : ""});
    }
    text += "\n" + nodes.text(color);
  }
  if (verbose && !in.shared.empty()) {
    Table shared({Table::Align::left, Table::Align::right, Table::Align::right, Table::Align::right,
                  Table::Align::right, Table::Align::right, Table::Align::left});
    shared.head({"shared weight", "weights", "codebooks", "entries", "distinct", "bytes", "type"});
    for (const SharedWeight& weight : in.shared) {
      shared.row({weight.name, std::to_string(weight.weights), std::to_string(weight.codebooks),
                  std::to_string(weight.entries), std::to_string(weight.distinct), std::to_string(weight.bytes),
                  weight.dtype});
    }
    text += "\n" + shared.text(color);
  }
  if (!in.problems.empty()) text += "\n" + report::paint("problems", report::Style::yellow, color) + "\n";
  for (const std::string& problem : in.problems) text += "  " + problem + "\n";
  if (target != nullptr) {
    text += "\n" + report::paint(target->name, report::Style::bold, color) + ": " +
            (in.float_on_target.empty() ? "every layer with weights can compute on integers"
                                        : std::to_string(in.float_on_target.size()) + " layers stay float") +
            "\n";
    for (const std::string& node : in.float_on_target) text += "  " + node + "\n";
    text += target_costs_text(graph, *target, color);
  }
  return text;
}

}  // namespace edgesmith::cli
