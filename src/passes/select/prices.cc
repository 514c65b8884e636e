// SPDX-License-Identifier: Apache-2.0
// Where the prices of nodes come from: a device's measurements, or the cost model of a profile.
#include <map>

#include "edgesmith/ops/op_info.h"
#include "edgesmith/passes/node_cost.h"
#include "edgesmith/passes/precision.h"
#include "passes/select/precision_units.h"

namespace edgesmith::passes {
namespace {

using select::find_units;
using select::Unit;
using select::Units;

constexpr double kMicroseconds = 1e6;

NodePrices no_prices(const ir::Graph& graph) {
  const auto size = static_cast<size_t>(graph.num_node_ids());
  return {std::vector<double>(size, 0), std::vector<double>(size, 0), std::vector<int>(size, -1), {}, {}, {}, {}, {}};
}

Error missing(const ir::Node& node, const char* precision) {
  return invalid_error(node.label() + ": the costs have no time of it in " + precision,
                       "measure them with this int8 model and the float one it was made of");
}

std::vector<double> seconds_by_node(const ir::Graph& graph, const targets::Target& target) {
  std::vector<double> us(static_cast<size_t>(graph.num_node_ids()), 0);
  for (const NodeCost& cost : estimate_costs(graph, target).nodes) {
    us[static_cast<size_t>(cost.node->id())] = cost.seconds.value_or(0) * kMicroseconds;
  }
  return us;
}

}  // namespace

Result<NodePrices> prices_by_costs(const ir::Graph& graph, const targets::Target& target, const Costs& costs) {
  std::map<std::string, const NodeCosts*> by_key;
  for (const NodeCosts& node : costs.nodes) by_key.emplace(node.node, &node);
  const std::vector<std::string> keys = node_keys(graph);
  std::map<std::string, int> ids;
  for (const ir::Node& node : graph.nodes()) ids.emplace(keys[static_cast<size_t>(node.id())], node.id());

  NodePrices prices = no_prices(graph);
  for (const ir::Node& node : graph.nodes()) {
    const auto id = static_cast<size_t>(node.id());
    const auto found = by_key.find(keys[id]);
    if (found == by_key.end()) continue;
    const auto& [float32, int8] = std::pair(found->second->float32, found->second->int8);
    if (float32) prices.float_us[id] = float32->us;
    if (int8) prices.int8_us[id] = int8->us;
    if (!float32 || float32->inside.empty()) continue;
    const auto inside = ids.find(float32->inside);
    if (inside != ids.end()) prices.float_inside[id] = inside->second;
  }
  for (const Unit& unit : find_units(graph, target).list) {
    const ir::Node& node = *unit.nodes.front();
    if (unit.choice < 0) continue;
    const auto found = by_key.find(keys[static_cast<size_t>(node.id())]);
    if (found == by_key.end() || !found->second->float32) return missing(node, "float32");
    if (!found->second->int8) return missing(node, "int8");
  }
  prices.quantize = costs.quantize;
  prices.dequantize = costs.dequantize;
  prices.float_model_us = costs.float32.us;
  prices.int8_model_us = costs.int8.us;
  for (const MeasuredMixture& measured : costs.mixtures) {
    NodePrices::Mixture mixture{.us = measured.model.us};
    for (const std::string& key : measured.float32) {
      const auto found = ids.find(key);
      if (found != ids.end()) mixture.floats.push_back(found->second);
    }
    // One of another model says nothing.
    if (mixture.floats.size() == measured.float32.size()) prices.mixtures.push_back(std::move(mixture));
  }
  return prices;
}

Result<NodePrices> prices_by_model(const ir::Graph& graph, const targets::Target& target) {
  if (!target.device.clock_hz) {
    return unsupported_error("target '" + target.name + "' has no clock, so nothing is known of times there",
                             "give measured ones with --costs, or a clock in a profile of your own");
  }
  NodePrices prices = no_prices(graph);
  prices.int8_us = seconds_by_node(graph, target);
  PrecisionPlan all_float{.kind = PrecisionKind::all_float};
  for (const Unit& unit : find_units(graph, target).list) {
    if (unit.choice >= 0) all_float.nodes.push_back({.id = unit.nodes.front()->id(), .int8 = false});
  }
  ir::Graph as_float = graph.clone();
  if (auto done = set_float(as_float, target, all_float, nullptr); !done) return done.error();
  EDGESMITH_TRY(ops::infer_types(as_float));
  prices.float_us = seconds_by_node(as_float, target);
  prices.float_us.resize(static_cast<size_t>(graph.num_node_ids()));
  // A conversion is one more node, which visits every element.
  const double cycle_us = kMicroseconds / *target.device.clock_hz / static_cast<double>(target.device.cores);
  prices.quantize.us = target.device.node_seconds.value_or(0) * kMicroseconds;
  prices.quantize.us_per_element = target.device.cycles_per_element.value_or(0) * cycle_us;
  prices.dequantize = prices.quantize;
  return prices;
}

}  // namespace edgesmith::passes
