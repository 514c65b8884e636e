// SPDX-License-Identifier: Apache-2.0
#include "inspect_target.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "edgesmith/passes/node_cost.h"
#include "edgesmith/refine/target_check.h"
#include "edgesmith/report/terminal.h"

namespace edgesmith::cli {
namespace {

using Json = nlohmann::ordered_json;
using passes::CostEstimate;
using passes::NodeCost;
using report::Table;

/// Lines of the list of expensive nodes.
constexpr size_t kMostNodes = 10;

template <typename Number>
Json optional(const std::optional<Number>& value) {
  return value ? Json(*value) : Json();
}

std::string work_name(const NodeCost& cost) {
  static constexpr std::array<const char*, targets::kNumWorks> kNames = {"conv", "depthwise", "first", "dense"};
  return cost.work ? kNames[static_cast<size_t>(*cost.work)] : "element";
}

/// Three digits: "12.3", "0.00456".
std::string digits(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.3g", value);
  return text;
}

std::string of_limit(int64_t bytes, const std::optional<int64_t>& limit) {
  return report::bytes_text(bytes) + (limit ? " of " + report::bytes_text(*limit) : "");
}

/// "206 ms and 8.86 mJ a sample", as far as the profile knows.
std::string totals_text(const CostEstimate& estimate) {
  if (!estimate.seconds) return "no times, because the profile has no clock";
  std::string text = (estimate.lower_bound ? "at least " : "about ") + digits(*estimate.seconds * 1e3) + " ms";
  if (estimate.joules) text += " and " + digits(*estimate.joules * 1e3) + " mJ";
  return text + " a sample";
}

std::string memory_text(const refine::MemoryNeed& memory, const targets::Target& target) {
  std::string text = "RAM " + (memory.ram_bytes ? of_limit(*memory.ram_bytes, target.device.ram_bytes) : "not known");
  if (memory.flash_bytes) text += ", flash " + of_limit(*memory.flash_bytes, target.device.flash_bytes);
  return text;
}

}  // namespace

std::string target_costs_json(const ir::Graph& graph, const targets::Target& target) {
  const CostEstimate estimate = passes::estimate_costs(graph, target);
  const refine::TargetCheck check = refine::check_target(graph, target);
  Json nodes = Json::array();
  for (const NodeCost& cost : estimate.nodes) {
    nodes.push_back({{"node", cost.node->label()},
                     {"work", work_name(cost)},
                     {"integer", cost.integer},
                     {"macs", cost.macs},
                     {"bytes", cost.bytes},
                     {"seconds", optional(cost.seconds)},
                     {"joules", optional(cost.joules)},
                     {"share", cost.share},
                     {"memory_bound", cost.memory_bound},
                     {"cheaper", cost.cheaper.empty() ? Json() : Json(cost.cheaper)}});
  }
  return Json({{"name", target.name},
               {"takes", check.takes()},
               {"seconds", optional(estimate.seconds)},
               {"joules", optional(estimate.joules)},
               {"lower_bound", estimate.lower_bound},
               {"ram_bytes", optional(check.memory.ram_bytes)},
               {"ram_limit", optional(target.device.ram_bytes)},
               {"flash_bytes", optional(check.memory.flash_bytes)},
               {"flash_limit", optional(target.device.flash_bytes)},
               {"nodes", std::move(nodes)}})
      .dump();
}

std::string target_costs_text(const ir::Graph& graph, const targets::Target& target, bool color) {
  const CostEstimate estimate = passes::estimate_costs(graph, target);
  const refine::TargetCheck check = refine::check_target(graph, target);
  std::string text = "  estimated from its profile: " + totals_text(estimate) + "\n";
  text += "  " + memory_text(check.memory, target) + "\n";
  if (!check.takes()) {
    text += "  it does not take this model: 'edgesmith check' names " + std::to_string(check.violations.size()) +
            (check.violations.size() == 1 ? " broken rule\n" : " broken rules\n");
  }
  Table table({Table::Align::left, Table::Align::left, Table::Align::left, Table::Align::right, Table::Align::right,
               Table::Align::right, Table::Align::right, Table::Align::left});
  table.head({"most expensive", "work", "type", "multiply-adds", "ms", "mJ", "share", ""});
  const size_t shown = std::min(kMostNodes, estimate.nodes.size());
  for (size_t i = 0; i < shown; ++i) {
    const NodeCost& cost = estimate.nodes[i];
    std::string note = cost.memory_bound ? "waits for memory" : "";
    if (!cost.cheaper.empty()) note = cost.cheaper + " runs on integers there";
    table.row({cost.node->label(), work_name(cost), cost.integer ? "int8" : "float",
               cost.macs > 0 ? report::count_text(cost.macs) : "", cost.seconds ? digits(*cost.seconds * 1e3) : "",
               cost.joules ? digits(*cost.joules * 1e3) : "", digits(cost.share * 100) + " %", note});
  }
  text += table.text(color);
  if (shown < estimate.nodes.size()) {
    text += "  " + std::to_string(estimate.nodes.size() - shown) + " more nodes; --json has them all\n";
  }
  return text;
}

}  // namespace edgesmith::cli
