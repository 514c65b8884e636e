// SPDX-License-Identifier: Apache-2.0
#include "refine/diagnose/units.h"

#include <algorithm>

#include "edgesmith/ir/structural.h"
#include "passes/quantize/node_form.h"
#include "refine/diagnose/substitute.h"

namespace edgesmith::refine::diagnose {
namespace {

using ir::OpKind;

bool same_numbers(const ir::Tensor& a, const ir::Tensor& b) {
  if (a.dims() != b.dims()) return false;
  if (a.identical_to(b)) return true;
  return ir::is_float(a.dtype()) && ir::is_float(b.dtype()) && a.to_floats() == b.to_floats();
}

/// Whether the two nodes compute with other constants.
bool constants_differ(const ir::Node& node, const ir::Node& other) {
  for (int i = 0; i < std::max(node.num_inputs(), other.num_inputs()); ++i) {
    const ir::Tensor* a = node.input(i) != nullptr ? node.input(i)->constant() : nullptr;
    const ir::Tensor* b = other.input(i) != nullptr ? other.input(i)->constant() : nullptr;
    if ((a == nullptr) != (b == nullptr) || (a != nullptr && !same_numbers(*a, *b))) return true;
  }
  return false;
}

/// Whether a constant of one has other dims than that of the other: channels are gone.
bool dims_differ(const ir::Node& node, const ir::Node& other) {
  for (int i = 0; i < std::min(node.num_inputs(), other.num_inputs()); ++i) {
    const ir::Tensor* a = node.input(i) != nullptr ? node.input(i)->constant() : nullptr;
    const ir::Tensor* b = other.input(i) != nullptr ? other.input(i)->constant() : nullptr;
    if (a != nullptr && b != nullptr && a->dims() != b->dims()) return true;
  }
  return false;
}

/// Whether something without a counterpart lies between the node and values that have one.
bool has_more_nodes(const ir::Node& other, const Match& match) {
  for (int i = 0; i < other.num_inputs(); ++i) {
    const ir::Value* value = other.input(i);
    if (value == nullptr || value->constant() != nullptr) continue;
    if (match.float_value[at(value->id())] < 0) return true;
  }
  return false;
}

class UnitFinder {
 public:
  UnitFinder(const ir::Graph& original, const ir::Graph& other, const Match& match)
      : original_(original), match_(match), others_(at(other.num_node_ids()), nullptr) {
    for (const ir::Node& node : other.nodes()) others_[at(node.id())] = &node;
    find_quants(other);
  }

  Units run() {
    std::vector<int> unit_of(at(original_.num_node_ids()), -1);
    for (const ir::Node& node : original_.nodes()) {
      if (ir::is_structural(node) || node.num_outputs() == 0 || !ir::is_float(node.output().type().dtype)) continue;
      const ir::Value* operand = node.input(0);
      const int before = operand != nullptr ? unit_of[at(operand->node().id())] : -1;
      const bool clamps = before >= 0 && passes::quantize::clamp_bounds(node) && operand->uses().size() == 1 &&
                          !units_.quants[at(operand->id())];
      unit_of[at(node.id())] = clamps ? before : static_cast<int>(units_.list.size());
      if (!clamps) units_.list.emplace_back();
      units_.list[at(unit_of[at(node.id())])].nodes.push_back(&node);
    }
    for (Unit& unit : units_.list) {
      judge(unit);
      for (const ir::Use& use : unit.result().uses()) {
        if (use.node->is(OpKind::output)) continue;
        const int reader = unit_of[at(use.node->id())];
        if (reader < 0) unit.free_readers = false;
        if (reader >= 0) unit.readers.push_back(at(reader));
      }
    }
    return std::move(units_);
  }

 private:
  // Codes of a value, or of an identity that stands for it before the readers on codes.
  void find_quants(const ir::Graph& other) {
    units_.quants.resize(at(original_.num_value_ids()));
    for (const ir::Node& node : other.nodes()) {
      for (int i = 0; i < node.num_outputs(); ++i) {
        const ir::Value& value = node.output(i);
        if (!value.quant() || value.constant() != nullptr) continue;
        int id = match_.float_value[at(value.id())];
        if (id < 0 && node.is(OpKind::identity)) id = match_.float_value[at(node.input(0)->id())];
        if (id >= 0 && !units_.quants[at(id)]) units_.quants[at(id)] = value.quant();
      }
    }
  }

  void judge(Unit& unit) {
    for (const ir::Node* node : unit.nodes) {
      const int id = match_.other_node[at(node->id())];
      if (id < 0) continue;
      const ir::Node& other = *others_[at(id)];
      if (node == unit.nodes.front()) unit.other = &other;
      if (node != unit.nodes.front() && unit.other == &other) continue;  // a clamp that the codes do
      const bool own = node->op() != other.op() || constants_differ(*node, other) || has_more_nodes(other, match_);
      unit.own_constants = unit.own_constants || own;
      unit.fits = unit.fits && !(node->op() == other.op() && dims_differ(*node, other));
      for (int i = 0; i < node->num_outputs(); ++i) {
        unit.differs = unit.differs || units_.quants[at(node->output(i).id())].has_value();
      }
    }
    unit.differs = unit.other != nullptr &&
                   (unit.differs || unit.own_constants || units_.quants[at(unit.result().id())].has_value());
  }

  const ir::Graph& original_;
  const Match& match_;
  std::vector<const ir::Node*> others_;
  Units units_;
};

}  // namespace

Units find_units(const ir::Graph& original, const ir::Graph& other, const Match& match) {
  return UnitFinder(original, other, match).run();
}

std::vector<bool> nodes_of(const ir::Graph& original, const Units& units, const std::vector<size_t>& chosen) {
  std::vector<bool> nodes(at(original.num_node_ids()), false);
  for (const size_t u : chosen) {
    for (const ir::Node* node : units.list[u].nodes) nodes[at(node->id())] = true;
  }
  return nodes;
}

std::vector<bool> other_nodes_of(const ir::Graph& other, const Match& match, const std::vector<bool>& original_nodes) {
  std::vector<bool> nodes(at(other.num_node_ids()), false);
  for (const ir::Node& node : other.nodes()) {
    const int id = match.float_node[at(node.id())];
    nodes[at(node.id())] = id >= 0 && original_nodes[at(id)];
  }
  return nodes;
}

bool is_depthwise(const ir::Node& node) {
  if (!node.is(OpKind::conv) || node.input(1) == nullptr) return false;
  const int64_t group = node.attributes().get_int("group", 1);
  const auto& shape = node.input(1)->type().shape;
  return group > 1 && shape && shape->size() > 1 && (*shape)[1].known() && (*shape)[1].value() == 1;
}

}  // namespace edgesmith::refine::diagnose
