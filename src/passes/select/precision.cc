// SPDX-License-Identifier: Apache-2.0
// The choice between int8 and float for all nodes at once.
//
//   node       its time in int8, or its time in float
//   value      made on codes, read on floats by any: one DequantizeLinear; the other way round: one QuantizeLinear
//   fused      what the float kernel of another node did too costs its own time again where that node is int8
//
// All of these are costs of a binary choice that is solved exactly (binary_choice.h), where int8 is the first way.
#include "edgesmith/passes/precision.h"

#include <algorithm>
#include <cmath>

#include "edgesmith/ops/op_info.h"
#include "passes/select/binary_choice.h"
#include "passes/select/precision_units.h"

namespace edgesmith::passes {
namespace {

using select::BinaryChoice;
using select::find_units;
using select::Unit;
using select::Units;

// Integers, so that sums do not depend on their order.
constexpr double kUnitsPerMicrosecond = 1e6;
// What is predicted for a mixed plan was not measured as a whole: it must promise so much over the better of the two
// plans that were.
constexpr double kClearGain = 0.03;
// Files of one precision that are so close are alike; int8 is the smaller one.
constexpr double kAlike = 0.01;

// Microseconds for an error of the size of the results, as powers of two; the most that a node's error may cost, which
// is more than any model takes and leaves room for sums; and halvings between the two.
constexpr double kLowestPrice = -30, kHighestPrice = 60, kMostPrice = 1e9;
constexpr int kPriceHalvings = 40;

int64_t to_units(double us) { return std::llround(us * kUnitsPerMicrosecond); }
double to_us(int64_t units) { return static_cast<double>(units) / kUnitsPerMicrosecond; }

int64_t elements_of(const ir::Value& value) {
  int64_t elements = 1;
  if (!value.type().shape) return elements;
  for (const ir::Dim& dim : *value.type().shape) {
    if (dim.known() && __builtin_mul_overflow(elements, dim.value(), &elements)) return int64_t{1} << 50;
  }
  return elements;
}

std::string number(double us) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.1f us", us);
  return buffer;
}

class Chooser {
 public:
  Chooser(const ir::Graph& graph, const targets::Target& target, const NodePrices& prices,
          const PrecisionErrors* errors)
      : graph_(graph), prices_(prices), errors_(errors), units_(find_units(graph, target)) {}

  PrecisionPlan run() {
    add_units();
    for (const ir::Node& node : graph_.nodes()) {
      for (int i = 0; i < node.num_outputs(); ++i) add_conversions(node.output(i));
      add_fused(node);
    }
    decide();
    describe();
    return std::move(plan_);
  }

 private:
  void add_units() {
    problem_.items.resize(static_cast<size_t>(units_.num_choices));
    for (const Unit& unit : units_.list) {
      if (unit.choice < 0) continue;
      BinaryChoice::Item& item = problem_.items[static_cast<size_t>(unit.choice)];
      for (const ir::Node* node : unit.nodes) {
        item.first += to_units(prices_.int8_us[static_cast<size_t>(node->id())]);
        item.second += to_units(prices_.float_us[static_cast<size_t>(node->id())]);
      }
      if (errors_ != nullptr) unit_errors_.push_back(errors_->of_node[static_cast<size_t>(unit.nodes.front()->id())]);
    }
  }

  void add_conversions(const ir::Value& value) {
    if (!value.quant() || value.constant() != nullptr) return;
    BinaryChoice::Difference leave{.pivot = units_.choice_of(value.node()), .pivot_first = true};
    for (const ir::Use& use : value.uses()) {
      const int reader = units_.choice_of(*use.node);
      const bool known = std::find(leave.others.begin(), leave.others.end(), reader) != leave.others.end();
      if (!known) leave.others.push_back(reader);
    }
    BinaryChoice::Difference enter = leave;
    enter.pivot_first = false;
    leave.cost = to_units(prices_.dequantize.of(elements_of(value)));
    enter.cost = to_units(prices_.quantize.of(elements_of(value)));
    problem_.differences.push_back(std::move(leave));
    problem_.differences.push_back(std::move(enter));
  }

  void add_fused(const ir::Node& node) {
    const int inside = prices_.float_inside[static_cast<size_t>(node.id())];
    if (inside < 0) return;
    const int unit = units_.of_node[static_cast<size_t>(inside)];
    const int pivot = unit < 0 ? -1 : units_.list[static_cast<size_t>(unit)].choice, own = units_.choice_of(node);
    if (pivot < 0 || pivot == own) return;
    problem_.differences.push_back({.pivot = pivot,
                                    .pivot_first = true,
                                    .others = {own},
                                    .cost = to_units(prices_.int8_us[static_cast<size_t>(node.id())])});
  }

  // A mixed plan's time: that of its nodes and conversions, and its share of what they leave unexplained in the two
  // files that were measured whole (changes of layout, starting a run), by the nodes that it computes as each of them
  // does.
  double predict(const std::vector<bool>& int8) const {
    const double int8_rest = plan_.int8_us - to_us(problem_.cost_of(all(true)));
    const double float_rest = plan_.float_us - to_us(problem_.cost_of(all(false)));
    const auto on_codes = static_cast<double>(std::count(int8.begin(), int8.end(), true));
    const double share = on_codes / static_cast<double>(int8.size());
    return to_us(problem_.cost_of(int8)) + share * int8_rest + (1 - share) * float_rest;
  }

  // What the sums missed in the mixture that surprised most, of those that were measured: another one of the same nodes
  // may hide it as well.
  double surprise() const {
    double most = 0;
    for (const NodePrices::Mixture& mixture : prices_.mixtures) {
      most = std::max(most, mixture.us - predict(choices_of(mixture)));
    }
    return most;
  }

  // The errors of the nodes on codes, together.
  double error_of(const std::vector<bool>& int8) const {
    double sum = 0;
    for (size_t c = 0; c < int8.size(); ++c) sum += int8[c] && errors_ != nullptr ? unit_errors_[c] : 0;
    return sum;
  }
  bool allowed(const std::vector<bool>& int8) const { return errors_ == nullptr || error_of(int8) <= errors_->most; }

  /// The fastest plan; with errors, the one for the lowest price of an error at which they are few enough.
  std::vector<bool> fastest() const {
    std::vector<bool> best = problem_.solve();
    if (allowed(best)) return best;
    best = all(false);
    double low = kLowestPrice, high = kHighestPrice;  // logarithms
    for (int i = 0; i < kPriceHalvings; ++i) {
      const double middle = (low + high) / 2, price = std::exp2(middle);
      BinaryChoice priced = problem_;
      for (size_t c = 0; c < priced.items.size(); ++c) {
        priced.items[c].first += to_units(std::min(price * unit_errors_[c], kMostPrice));
      }
      std::vector<bool> plan = priced.solve();
      const bool fits = allowed(plan);
      (fits ? high : low) = middle;
      if (fits && problem_.cost_of(plan) < problem_.cost_of(best)) best = std::move(plan);
    }
    return best;
  }

  std::vector<bool> all(bool int8) const { return std::vector<bool>(problem_.items.size(), int8); }

  void decide() {
    plan_.int8_us = prices_.int8_model_us.value_or(to_us(problem_.cost_of(all(true))));
    plan_.float_us = prices_.float_model_us.value_or(to_us(problem_.cost_of(all(false))));
    const bool float_wins = plan_.float_us < plan_.int8_us * (1 - kAlike), too_far = !allowed(all(true));
    const bool floats = float_wins || too_far;
    take(all(!floats), floats ? plan_.float_us : plan_.int8_us);
    plan_.why = too_far && !float_wins ? "int8 everywhere is faster, but too far from the float model"
                                       : std::string(floats ? "float32" : "int8") + " everywhere is fastest";
    const std::vector<bool> best = fastest();
    plan_.mixed_us = best == all(true)    ? plan_.int8_us
                     : best == all(false) ? plan_.float_us
                                          : predict(best) + surprise();
    bool known = best == all(true) || best == all(false);
    for (const NodePrices::Mixture& mixture : prices_.mixtures) {
      const std::vector<bool> measured = choices_of(mixture);
      known = known || measured == best;
      if (measured == best) plan_.mixed_us = mixture.us;
      if (mixture.us >= plan_.predicted_us * (1 - kAlike) || !allowed(measured)) continue;
      take(measured, mixture.us);
      plan_.why = number(mixture.us) + " were measured, " + others();
    }
    if (known && best != chosen_) {
      plan_.why += "; the best choice by the nodes' times takes " + number(plan_.mixed_us) + ", measured as a whole";
    } else if (!known && plan_.mixed_us < plan_.predicted_us * (1 - kClearGain)) {
      take(best, plan_.mixed_us);
      plan_.why = number(plan_.mixed_us) + " are predicted, " + others();
    } else if (!known) {
      plan_.why += "; the best mixture is predicted to take " + number(plan_.mixed_us) + ", which is no clear gain";
    }
  }

  std::string others() const {
    return "against " + number(plan_.int8_us) + " with int8 and " + number(plan_.float_us) + " with float32 everywhere";
  }

  void take(const std::vector<bool>& int8, double us) {
    chosen_ = int8;
    plan_.predicted_us = us;
    plan_.kind = int8 == all(true)    ? PrecisionKind::all_int8
                 : int8 == all(false) ? PrecisionKind::all_float
                                      : PrecisionKind::mixed;
  }

  std::vector<bool> choices_of(const NodePrices::Mixture& mixture) const {
    std::vector<bool> int8 = all(true);
    for (const int id : mixture.floats) {
      const int unit = units_.of_node[static_cast<size_t>(id)];
      const int choice = unit < 0 ? -1 : units_.list[static_cast<size_t>(unit)].choice;
      if (choice >= 0) int8[static_cast<size_t>(choice)] = false;
    }
    return int8;
  }

  void describe() {
    const std::vector<std::string> keys = node_keys(graph_);
    const auto key = [&](const ir::Node& node) { return keys[static_cast<size_t>(node.id())]; };
    const int64_t cost = problem_.cost_of(chosen_);
    for (const Unit& unit : units_.list) {
      if (unit.choice < 0) continue;
      const auto choice = static_cast<size_t>(unit.choice);
      const ir::Node& first = *unit.nodes.front();
      PrecisionNode node{.id = first.id(), .node = key(first), .op = std::string(ir::onnx_name(first.op()))};
      for (size_t i = 1; i < unit.nodes.size(); ++i) node.fused.push_back(key(*unit.nodes[i]));
      node.int8 = chosen_[choice];
      node.int8_us = to_us(problem_.items[choice].first);
      node.float_us = to_us(problem_.items[choice].second);
      std::vector<bool> other = chosen_;
      other[choice] = !other[choice];
      const double change = to_us(problem_.cost_of(other) - cost);
      node.other_plan_us = plan_.predicted_us + change;
      if (errors_ != nullptr) node.error = unit_errors_[choice];
      node.why = reason(node, change, allowed(other));
      plan_.nodes.push_back(std::move(node));
    }
  }

  static std::string reason(const PrecisionNode& node, double change, bool other_allowed) {
    const double own = node.int8 ? node.int8_us : node.float_us, rival = node.int8 ? node.float_us : node.int8_us;
    const std::string there = node.int8 ? "float32" : "int8";
    if (change < 0 && !other_allowed) return there + " would be " + number(-change) + " faster, but errs too much";
    if (change < 0) return there + " is predicted to be " + number(-change) + " faster; the plan as a whole decided";
    if (own <= rival) return "the faster one";
    return there + " is faster alone, but conversions and what its neighbours' kernels do make it " + number(change) +
           " slower";
  }

  const ir::Graph& graph_;
  const NodePrices& prices_;
  const PrecisionErrors* const errors_;
  Units units_;
  BinaryChoice problem_;
  std::vector<double> unit_errors_;  // by choice; empty without errors
  std::vector<bool> chosen_;         // by choice: int8
  PrecisionPlan plan_;
};

}  // namespace

PrecisionPlan choose_precision(const ir::Graph& graph, const targets::Target& target, const NodePrices& prices,
                               const PrecisionErrors* errors) {
  return Chooser(graph, target, prices, errors).run();
}

}  // namespace edgesmith::passes
