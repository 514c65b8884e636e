// SPDX-License-Identifier: Apache-2.0
#include "passes/select/precision_units.h"

#include <algorithm>

#include "edgesmith/ir/structural.h"
#include "passes/quantize/node_form.h"

namespace edgesmith::passes::select {
namespace {

using ir::OpKind;

bool results_carry_codes(const ir::Node& node) {
  for (int i = 0; i < node.num_outputs(); ++i) {
    if (!node.output(i).unused() && !node.output(i).quant()) return false;
  }
  return true;
}

/// Whether the node's operand and result carry the same codes.
bool keeps_codes(const ir::Node& node) {
  const auto& operand = node.input(0)->quant();
  const auto& result = node.output().quant();
  return operand && result && operand->same_codes(*result);
}

/// True when the target computes the unit on codes.
bool computes_codes(const Unit& unit, const targets::Target& target) {
  const ir::Node& node = *unit.nodes.front();
  if (node.is(OpKind::identity)) return false;
  if (!target.runs_integer(node.op())) return target.passes_codes(node.op()) && keeps_codes(node);
  bool any = false, all = true;
  for (const int i : quantize::data_operands(node)) {
    const ir::Value* operand = node.input(i);
    if (operand == nullptr || operand->constant() != nullptr) continue;
    any = any || operand->quant().has_value();
    all = all && operand->quant().has_value();
  }
  if (!any || !(all || target.skip_codes_only)) return false;
  const ir::Value* weight = quantize::weight_of(node);
  if (weight != nullptr && weight->constant()->encoding() != ir::Encoding::affine) return false;
  return results_carry_codes(*unit.nodes.back()) || quantize::can_hand_out_floats(node) || target.input_codes_only;
}

}  // namespace

Units find_units(const ir::Graph& graph, const targets::Target& target) {
  Units units;
  units.of_node.assign(static_cast<size_t>(graph.num_node_ids()), -1);
  for (ir::Node& node : graph.nodes()) {
    if (ir::is_structural(node)) continue;
    const ir::Value* operand = node.input(0);
    const int before = operand != nullptr ? units.of_node[static_cast<size_t>(operand->node().id())] : -1;
    const bool clamps = before >= 0 && quantize::clamp_bounds(node) && !operand->quant() && operand->uses().size() == 1;
    units.of_node[static_cast<size_t>(node.id())] = clamps ? before : static_cast<int>(units.list.size());
    if (!clamps) units.list.emplace_back();
    units.list[static_cast<size_t>(units.of_node[static_cast<size_t>(node.id())])].nodes.push_back(&node);
  }
  for (Unit& unit : units.list) {
    if (computes_codes(unit, target)) unit.choice = units.num_choices++;
  }
  return units;
}

}  // namespace edgesmith::passes::select
