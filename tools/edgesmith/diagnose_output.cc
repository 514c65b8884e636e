// SPDX-License-Identifier: Apache-2.0
#include "diagnose_output.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "edgesmith/base/log.h"
#include "edgesmith/refine/gate.h"
#include "edgesmith/report/terminal.h"

namespace edgesmith::cli {
namespace {

using Json = nlohmann::ordered_json;
using refine::NodeDiagnosis;
using report::Table;

// Lines of the table, and nodes whose causes are told.
constexpr size_t kMostRows = 12, kMostCauses = 5;
// Operators with a smaller share of the error are not told.
constexpr double kWorthALine = 0.05;

Json number(const std::optional<double>& value) { return value && std::isfinite(*value) ? Json(*value) : Json(); }
Json number(double value) { return std::isfinite(value) ? Json(value) : Json(); }

std::string format(const char* pattern, double value) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, pattern, value);
  return buffer;
}

std::string db(const std::optional<double>& value) { return value ? format("%.1f dB", *value) : "-"; }

double alone_db(const NodeDiagnosis& node) { return node.alone > 0 ? -10 * std::log10(node.alone) : INFINITY; }

std::vector<const NodeDiagnosis*> ranked(const refine::Diagnosis& diagnosis) {
  std::vector<const NodeDiagnosis*> nodes;
  for (const NodeDiagnosis& node : diagnosis.nodes) {
    if (node.differs) nodes.push_back(&node);
  }
  std::sort(nodes.begin(), nodes.end(),
            [](const NodeDiagnosis* a, const NodeDiagnosis* b) { return a->rank < b->rank; });
  return nodes;
}

Json node_json(const NodeDiagnosis& node) {
  Json causes = Json::array();
  for (const refine::Cause& cause : node.causes) {
    causes.push_back({{"kind", cause.kind}, {"text", cause.text}, {"channels", cause.channels}});
  }
  Json numbers = Json::object();
  for (const auto& [name, value] : node.numbers) numbers[name] = number(value);
  return {{"rank", node.rank},
          {"node", node.node},
          {"op", node.op},
          {"value", node.value},
          {"selector", node.selector},
          {"share", number(node.share)},
          {"alone_db", node.measured && node.alone > 0 ? number(alone_db(node)) : Json()},
          {"weights_db", number(node.weights_db)},
          {"rounding_db", number(node.rounding_db)},
          {"accumulated_db", number(node.accumulated_db)},
          {"cosine", number(node.cosine)},
          {"causes", std::move(causes)},
          {"numbers", std::move(numbers)}};
}

std::string advice_line(const DiagnoseResult& result, const refine::Advice& advice) {
  if (result.command.empty()) return advice.flags + (advice.leave_out.empty() ? "" : " without " + advice.leave_out);
  return result.command + (advice.flags.empty() ? "" : " " + advice.flags);
}

Json skip_json(const DiagnoseResult& result) {
  const refine::AutoSkip& skip = *result.skip;
  Json nodes = Json::array();
  for (const size_t index : skip.nodes) {
    const NodeDiagnosis& node = result.diagnosis.nodes[index];
    nodes.push_back({{"node", node.node}, {"op", node.op}, {"selector", node.selector}});
  }
  Json eval;
  if (skip.eval_drop) {
    eval = {{"metric", skip.eval_after->metric->name},
            {"before", skip.eval_before->value},
            {"after", skip.eval_after->value},
            {"drop", skip.eval_drop->drop},
            {"ci95", {skip.eval_drop->ci95[0], skip.eval_drop->ci95[1]}},
            {"samples", skip.eval_after->samples}};
  }
  Json output;
  if (result.written) {
    output = {{"path", result.output}, {"sha256", result.written->sha256}, {"bytes", result.written->bytes}};
  }
  return {
      {"metric", skip.metric->name},
      {"max_drop", result.max_drop},
      {"met", skip.met},
      {"nodes", std::move(nodes)},
      {"calib", {{"before", skip.calib_before}, {"drop", skip.calib_drop}, {"compressed_drop", skip.compressed_drop}}},
      {"eval", std::move(eval)},
      {"trials", skip.trials},
      {"complete", skip.complete},
      {"verdict", skip_verdict(result)},
      {"output", std::move(output)}};
}

std::string skip_text(const DiagnoseResult& result) {
  const refine::AutoSkip& skip = *result.skip;
  std::string text = "\n";
  for (const size_t index : skip.nodes) {
    const NodeDiagnosis& node = result.diagnosis.nodes[index];
    text += "  left float: " + node.node + " (" + node.op + ")\n";
  }
  text += "  " + skip_verdict(result) + "\n";
  if (result.written)
    text += "  " + result.output + ": " + report::bytes_text(static_cast<int64_t>(result.written->bytes)) + "\n";
  return text;
}

}  // namespace

std::string skip_verdict(const DiagnoseResult& result) {
  const refine::AutoSkip& skip = *result.skip;
  const std::string count = std::to_string(skip.nodes.size()) + (skip.nodes.size() == 1 ? " node" : " nodes");
  const data::MetricInfo& metric = skip.eval_drop ? *skip.eval_after->metric : *skip.metric;
  const double drop = skip.eval_drop ? skip.eval_drop->drop : skip.calib_drop;
  const std::string lost = drop > 0 ? refine::difference_text(metric, drop) : std::string("nothing");
  return std::string(skip.met ? "within the budget" : "beyond the budget") + " with " + count + " left float: loses " +
         lost + " of at most " + refine::difference_text(metric, result.max_drop) +
         (skip.eval_drop ? " on evaluation data" : " on calibration data; no evaluation data were given") +
         (skip.complete ? "" : "; the time limit ended the search");
}

std::string diagnose_json(const DiagnoseResult& result) {
  const refine::Diagnosis& diagnosis = result.diagnosis;
  Json nodes = Json::array(), advice = Json::array();
  for (const NodeDiagnosis* node : ranked(diagnosis)) nodes.push_back(node_json(*node));
  Json operators = Json::array();
  for (const refine::OperatorShare& one : diagnosis.operators) {
    operators.push_back({{"op", one.op}, {"nodes", one.nodes}, {"share", number(one.share)}});
  }
  for (const refine::Advice& line : diagnosis.advice) {
    advice.push_back({{"flags", line.flags},
                      {"leave_out", line.leave_out},
                      {"why", line.why},
                      {"before_db", line.before_db},
                      {"after_db", line.after_db},
                      {"command", result.command.empty() ? Json() : Json(advice_line(result, line))}});
  }
  Json document = {{"schema", "edgesmith.diagnose/1"},
                   {"float", {{"path", result.original_path}, {"simplified", diagnosis.simplified}}},
                   {"other", {{"path", result.other_path}, {"made_by", diagnosis.command}}},
                   {"samples", diagnosis.samples},
                   {"samples_alone", diagnosis.samples_alone},
                   {"sqnr_db", number(diagnosis.output_db)},
                   {"unmatched", {{"float", diagnosis.unmatched_float}, {"other", diagnosis.unmatched_other}}},
                   {"operators", std::move(operators)},
                   {"nodes", std::move(nodes)},
                   {"advice", std::move(advice)},
                   {"advice_calibrates_on_data", result.calibrates_on_data}};
  if (result.skip) document["auto_skip"] = skip_json(result);
  document["seconds"] = result.seconds;
  document["warnings"] = log::take_warnings();
  return document.dump(2, ' ', false, Json::error_handler_t::replace);
}

std::string diagnose_text(const DiagnoseResult& result, bool all, bool color) {
  const refine::Diagnosis& diagnosis = result.diagnosis;
  const std::vector<const NodeDiagnosis*> nodes = ranked(diagnosis);
  std::string text = report::paint(result.other_path, report::Style::bold, color) + " against " + result.original_path +
                     ": results at " + format("%.1f dB", diagnosis.output_db) + " SQNR, " +
                     refine::grouped(diagnosis.samples) + " samples\n";
  if (nodes.empty())
    return text + "  nothing was compressed: every node that was found computes as in the float model\n";
  using enum Table::Align;
  Table table({right, left, left, right, right, right, right, right});
  table.head({"", "node", "op", "share", "alone", "weights", "codes", "up to it"});
  for (const NodeDiagnosis* node : nodes) {
    if (!all && node->rank > static_cast<int>(kMostRows)) break;
    table.row({std::to_string(node->rank), node->node, node->op, format("%.1f %%", 100 * node->share),
               node->measured && node->alone > 0 ? db(alone_db(*node)) : "-", db(node->weights_db),
               db(node->rounding_db), db(node->accumulated_db)});
  }
  text += "\n" + table.text(color);
  if (!all && nodes.size() > kMostRows) {
    text += "  " + std::to_string(nodes.size() - kMostRows) + " more; -v shows all\n";
  }
  text +=
      "  share: of the error at the results, each node compressed alone; alone: SQNR there; weights, codes: SQNR of "
      "its\n  own result by its constants and by its codes; up to it: with the errors of all nodes before\n\n";
  for (const refine::OperatorShare& one : diagnosis.operators) {
    if (one.share < kWorthALine) break;
    text += "  " + one.op + ": " + format("%.1f %%", 100 * one.share) + " of the error in " +
            std::to_string(one.nodes) + (one.nodes == 1 ? " node\n" : " nodes\n");
  }
  std::string causes;
  for (size_t i = 0; i < std::min(kMostCauses, nodes.size()); ++i) {
    for (const refine::Cause& cause : nodes[i]->causes) causes += "  " + nodes[i]->node + ": " + cause.text + "\n";
  }
  if (!causes.empty()) text += "\n" + causes;
  if (diagnosis.unmatched_float + diagnosis.unmatched_other > 0) {
    text += "  " + std::to_string(diagnosis.unmatched_float) + " nodes of the float model and " +
            std::to_string(diagnosis.unmatched_other) + " of the other have no counterpart\n";
  }
  text += diagnosis.advice.empty() ? "\n  no change that was tried gives 1 dB\n" : "\n  try:\n";
  if (result.calibrates_on_data && !diagnosis.advice.empty()) {
    text +=
        "    (--calib is what --data named here; if those are test data, name samples that the model was trained on)\n";
  }
  for (const refine::Advice& advice : diagnosis.advice) {
    text += "    " + advice_line(result, advice) + "\n      " +
            (advice.leave_out.empty() ? "" : "without " + advice.leave_out + ": ") + advice.why + "; " +
            format("%.1f dB", advice.before_db) + " -> " + format("%.1f dB", advice.after_db) +
            " on these samples, the rest as it is\n";
  }
  if (result.skip) text += skip_text(result);
  return text;
}

}  // namespace edgesmith::cli
