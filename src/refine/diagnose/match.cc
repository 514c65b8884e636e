// SPDX-License-Identifier: Apache-2.0
#include "refine/diagnose/match.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "edgesmith/ir/node_text.h"
#include "edgesmith/ir/structural.h"
#include "passes/quantize/node_form.h"

namespace edgesmith::refine::diagnose {
namespace {

using ir::OpKind;

// What is left after the first round finds its place once others have theirs.
constexpr int kRounds = 3;
// Combinations of operands before and behind clamps that are tried for one node.
constexpr int kMostOperands = 4;

constexpr int kConstant = -2, kAbsent = -3, kUnknown = -1;

/// A node that hands its operand on, as other numbers of the same meaning.
bool is_carrier(const ir::Node& node) {
  if (node.is(OpKind::identity) || node.is(OpKind::quantize_linear) || node.is(OpKind::dequantize_linear)) return true;
  return node.is(OpKind::cast) && ir::is_float(node.input(0)->type().dtype) && ir::is_float(node.output().type().dtype);
}

const ir::Value& origin_of(const ir::Value& value) {
  const ir::Value* origin = &value;
  while (is_carrier(origin->node()) && origin->node().input(0) != nullptr) origin = origin->node().input(0);
  return *origin;
}

bool computes_floats(const ir::Node& node) {
  if (ir::is_structural(node) || is_carrier(node)) return false;
  for (int i = 0; i < node.num_outputs(); ++i) {
    if (ir::is_float(node.output(i).type().dtype)) return true;
  }
  return false;
}

/// The operator, and what the operands are in the float graph.
using Key = std::pair<std::string, std::vector<int>>;

/// The same name, of the node or of what it makes.
bool same_name(const ir::Node& a, const ir::Node& b) {
  if (!a.name().empty() && a.name() == b.name()) return true;
  return a.num_outputs() > 0 && b.num_outputs() > 0 && !a.output().name().empty() &&
         a.output().name() == b.output().name();
}

class Matcher {
 public:
  Matcher(const ir::Graph& original, const ir::Graph& other) : original_(original), other_(other) {
    match_.other_node.assign(at(original.num_node_ids()), -1);
    match_.float_node.assign(at(other.num_node_ids()), -1);
    match_.other_value.assign(at(original.num_value_ids()), -1);
    match_.float_value.assign(at(other.num_value_ids()), -1);
    for (const ir::Node& node : original.nodes()) {
      if (ir::is_structural(node) || is_carrier(node)) continue;
      by_key_[{ir::operator_text(node), float_operands(node)}].push_back(&node);
    }
  }

  Match run() {
    match_inputs();
    for (int round = 0; round < kRounds; ++round) {
      const bool flow = match_flow();
      const bool rest = match_names() || match_order();
      if (!flow && !rest) break;
    }
    for (const ir::Node& node : original_.nodes()) {
      if (computes_floats(node) && match_.other_node[at(node.id())] < 0) ++match_.unmatched_float;
    }
    for (const ir::Node& node : other_.nodes()) {
      if (computes_floats(node) && match_.float_node[at(node.id())] < 0) ++match_.unmatched_other;
    }
    return std::move(match_);
  }

 private:
  static std::vector<int> float_operands(const ir::Node& node) {
    std::vector<int> operands;
    for (int i = 0; i < node.num_inputs(); ++i) {
      const ir::Value* value = node.input(i);
      operands.push_back(value == nullptr                          ? kAbsent
                         : origin_of(*value).constant() != nullptr ? kConstant
                                                                   : origin_of(*value).id());
    }
    return trimmed(std::move(operands));
  }

  // A bias that was added or left out is no difference.
  static std::vector<int> trimmed(std::vector<int> operands) {
    while (operands.size() > 1 && (operands.back() == kAbsent || operands.back() == kConstant)) operands.pop_back();
    return operands;
  }

  void match_inputs() {
    const std::vector<ir::Value*> floats = original_.inputs(), others = other_.inputs();
    for (size_t i = 0; i < others.size(); ++i) {
      const auto same = std::find_if(floats.begin(), floats.end(),
                                     [&](const ir::Value* value) { return value->name() == others[i]->name(); });
      const ir::Value* counterpart = same != floats.end() ? *same : i < floats.size() ? floats[i] : nullptr;
      if (counterpart != nullptr) pair_values(*counterpart, *others[i]);
    }
  }

  void pair_values(const ir::Value& of_float, const ir::Value& of_other) {
    match_.float_value[at(of_other.id())] = of_float.id();
    if (match_.other_value[at(of_float.id())] < 0) match_.other_value[at(of_float.id())] = of_other.id();
  }

  void pair_nodes(const ir::Node& of_float, const ir::Node& of_other) {
    match_.other_node[at(of_float.id())] = of_other.id();
    match_.float_node[at(of_other.id())] = of_float.id();
    for (int i = 0; i < std::min(of_float.num_outputs(), of_other.num_outputs()); ++i) {
      pair_values(of_float.output(i), of_other.output(i));
    }
  }

  bool is_free(const ir::Node& of_float) const { return match_.other_node[at(of_float.id())] < 0; }

  // What may be meant by an operand of `other`: the counterpart of the value, or that behind its clamps.
  std::vector<const ir::Value*> meanings(const ir::Value& of_other) const {
    const int id = match_.float_value[at(origin_of(of_other).id())];
    if (id < 0) return {};
    std::vector<const ir::Value*> values = {find_value(id)};
    while (values.back()->uses().size() == 1) {
      const ir::Node& reader = *values.back()->uses()[0].node;
      if (!passes::quantize::clamp_bounds(reader) || !is_free(reader)) break;
      values.push_back(&reader.output());
    }
    return values;
  }

  const ir::Value* find_value(int id) const {
    if (values_.empty()) {
      values_.assign(at(original_.num_value_ids()), nullptr);
      for (const ir::Node& node : original_.nodes()) {
        for (int i = 0; i < node.num_outputs(); ++i) values_[at(node.output(i).id())] = &node.output(i);
      }
    }
    return values_[at(id)];
  }

  bool match_flow() {
    bool any = false;
    for (const ir::Node& node : other_.nodes()) {
      if (ir::is_structural(node) || is_carrier(node) || match_.float_node[at(node.id())] >= 0) continue;
      any = match_node(node) || any;
    }
    return any;
  }

  bool match_node(const ir::Node& node) {
    std::vector<std::vector<int>> choices;
    for (int i = 0; i < node.num_inputs(); ++i) {
      const ir::Value* value = node.input(i);
      if (value == nullptr || origin_of(*value).constant() != nullptr) {
        choices.push_back({value == nullptr ? kAbsent : kConstant});
        continue;
      }
      choices.emplace_back();
      for (const ir::Value* meaning : meanings(*value)) choices.back().push_back(meaning->id());
      if (choices.back().empty()) return false;
      if (static_cast<int>(choices.size()) > kMostOperands) choices.back().resize(1);
    }
    std::vector<size_t> pick(choices.size(), 0);
    while (true) {
      std::vector<int> operands;
      for (size_t i = 0; i < choices.size(); ++i) operands.push_back(choices[i][pick[i]]);
      const auto found = by_key_.find({ir::operator_text(node), trimmed(operands)});
      if (found != by_key_.end()) {
        if (const ir::Node* best = best_of(found->second, node)) {
          take_clamps(node, operands);
          pair_nodes(*best, node);
          return true;
        }
      }
      size_t i = 0;
      while (i < pick.size() && ++pick[i] == choices[i].size()) pick[i++] = 0;
      if (i == pick.size()) return false;
    }
  }

  // Clamps between the counterpart of an operand and what was meant belong to the operand's node.
  void take_clamps(const ir::Node& node, const std::vector<int>& operands) {
    for (size_t i = 0; i < operands.size(); ++i) {
      if (operands[i] < 0) continue;
      const ir::Value& own = origin_of(*node.input(static_cast<int>(i)));
      const ir::Value* value = find_value(match_.float_value[at(own.id())]);
      for (; value->id() != operands[i]; value = &value->uses()[0].node->output()) {
        const ir::Node& clamp = *value->uses()[0].node;
        match_.other_value[at(value->id())] = -1;  // the value before the clamp is nowhere in the other graph
        match_.other_node[at(clamp.id())] = own.node().id();
        if (match_.float_node[at(own.node().id())] >= 0) match_.float_node[at(own.node().id())] = clamp.id();
      }
      match_.float_value[at(own.id())] = operands[i];
      match_.other_value[at(operands[i])] = own.id();
    }
  }

  const ir::Node* best_of(const std::vector<const ir::Node*>& candidates, const ir::Node& node) const {
    const ir::Node* first = nullptr;
    for (const ir::Node* candidate : candidates) {
      if (!is_free(*candidate) || candidate->num_outputs() != node.num_outputs()) continue;
      if (same_name(*candidate, node)) return candidate;
      if (first == nullptr) first = candidate;
    }
    return first;
  }

  std::map<std::string, std::vector<const ir::Node*>> left_by_operator(const ir::Graph& graph,
                                                                       const std::vector<int>& counterparts) const {
    std::map<std::string, std::vector<const ir::Node*>> left;
    for (const ir::Node& node : graph.nodes()) {
      if (computes_floats(node) && counterparts[at(node.id())] < 0) left[ir::operator_text(node)].push_back(&node);
    }
    return left;
  }

  bool match_names() {
    bool any = false;
    const auto floats = left_by_operator(original_, match_.other_node);
    for (const auto& [op, nodes] : left_by_operator(other_, match_.float_node)) {
      const auto candidates = floats.find(op);
      if (candidates == floats.end()) continue;
      for (const ir::Node* node : nodes) {
        for (const ir::Node* candidate : candidates->second) {
          if (!is_free(*candidate) || !same_name(*candidate, *node)) continue;
          pair_nodes(*candidate, *node);
          any = true;
          break;
        }
      }
    }
    // An operator that became several others still makes the value of its name.
    std::map<std::string, const ir::Value*> by_name;
    for (const ir::Node& node : original_.nodes()) {
      for (int i = 0; i < node.num_outputs(); ++i) {
        if (!node.output(i).name().empty()) by_name.emplace(node.output(i).name(), &node.output(i));
      }
    }
    for (const ir::Node& node : other_.nodes()) {
      for (int i = 0; i < node.num_outputs(); ++i) {
        const ir::Value& value = node.output(i);
        if (ir::is_structural(node) || match_.float_value[at(value.id())] >= 0) continue;
        const auto found = by_name.find(value.name());
        if (found == by_name.end() || match_.other_value[at(found->second->id())] >= 0) continue;
        if (!ir::is_float(value.type().dtype) || !ir::is_float(found->second->type().dtype)) continue;
        pair_values(*found->second, value);
        const ir::Node& counterpart = found->second->node();
        if (is_free(counterpart) && match_.float_node[at(node.id())] < 0 && !is_carrier(node) &&
            !is_carrier(counterpart)) {
          match_.other_node[at(counterpart.id())] = node.id();
          match_.float_node[at(node.id())] = counterpart.id();
        }
        any = true;
      }
    }
    return any;
  }

  bool match_order() {
    bool any = false;
    const auto floats = left_by_operator(original_, match_.other_node);
    for (const auto& [op, nodes] : left_by_operator(other_, match_.float_node)) {
      const auto candidates = floats.find(op);
      if (candidates == floats.end() || candidates->second.size() != nodes.size()) continue;
      for (size_t i = 0; i < nodes.size(); ++i) {
        if (candidates->second[i]->num_outputs() != nodes[i]->num_outputs()) continue;
        pair_nodes(*candidates->second[i], *nodes[i]);
        any = true;
      }
    }
    return any;
  }

  const ir::Graph& original_;
  const ir::Graph& other_;
  std::map<Key, std::vector<const ir::Node*>> by_key_;
  mutable std::vector<const ir::Value*> values_;  // of the float graph, by id
  Match match_;
};

}  // namespace

Match match_graphs(const ir::Graph& original, const ir::Graph& other) { return Matcher(original, other).run(); }

}  // namespace edgesmith::refine::diagnose
