// SPDX-License-Identifier: Apache-2.0
// Squeeze, Unsqueeze and the reductions: the list of axes was an attribute, and became an input in opset 13 (Squeeze,
// Unsqueeze, ReduceSum) or 18 (the other reductions).
#include "onnx/forms/forms.h"

namespace edgesmith::onnx::forms {
namespace {

bool has_axes_operand(const ir::Node& node) { return node.input(1) != nullptr; }

// A reduction over an empty list of axes is no reduction when this is set, which older opsets cannot say.
bool reduces_nothing(const ir::Node& node) {
  if (node.attributes().get_int("noop_with_empty_axes", 0) == 0) return false;
  const auto axes = constant_ints(node, 1);
  return !has_axes_operand(node) || !axes || axes->empty();
}

int needs_axes(const ir::Node& node, int as_input) {
  return has_axes_operand(node) && !constant_ints(node, 1) ? as_input : 1;
}

void lower_axes(const ir::Node& node, LoweredNode& out, LowerContext& context, int as_input) {
  if (context.opset() >= as_input) return;
  out.attributes.erase("noop_with_empty_axes");
  const auto axes = constant_ints(node, 1);
  out.drop_inputs_from(1);
  // No axes at all mean every axis to reductions only.
  const bool may_be_empty = node.is(ir::OpKind::squeeze) || node.is(ir::OpKind::unsqueeze);
  if (axes && (may_be_empty || !axes->empty())) out.attributes.set("axes", *axes);
}

}  // namespace

Reason raise_axes13(RaisedNode& node, RaiseContext& context) {
  if (context.opset() >= 13) return node.attributes.has("axes") ? "axes is no attribute from opset 13 on" : "";
  ints_to_input(node, context, "axes", 1);
  return {};
}

Reason raise_axes18(RaisedNode& node, RaiseContext& context) {
  if (context.opset() >= 18) return node.attributes.has("axes") ? "axes is no attribute from opset 18 on" : "";
  ints_to_input(node, context, "axes", 1);
  return {};
}

int needs_squeeze(const ir::Node& node) { return needs_axes(node, 13); }
int needs_reduce_sum(const ir::Node& node) { return reduces_nothing(node) ? 13 : needs_axes(node, 13); }
int needs_reduce(const ir::Node& node) { return reduces_nothing(node) ? 18 : needs_axes(node, 18); }

void lower_axes13(const ir::Node& node, LoweredNode& out, LowerContext& context) { lower_axes(node, out, context, 13); }
void lower_axes18(const ir::Node& node, LoweredNode& out, LowerContext& context) { lower_axes(node, out, context, 18); }

}  // namespace edgesmith::onnx::forms
