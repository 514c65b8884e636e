// SPDX-License-Identifier: Apache-2.0
// Clip and Pad: bounds, pads and the fill value were attributes, and became inputs in opset 11.
#include "onnx/forms/forms.h"

namespace edgesmith::onnx::forms {
namespace {

/// The value of a constant scalar operand as float.
std::optional<float> constant_float(const ir::Node& node, int index) {
  const ir::Value* value = node.input(index);
  const ir::Tensor* tensor = value != nullptr ? value->constant() : nullptr;
  if (tensor == nullptr || tensor->size() != 1 || !ir::is_float(tensor->dtype())) return std::nullopt;
  return tensor->to_floats().front();
}

bool absent_or_constant_float(const ir::Node& node, int index) {
  return node.input(index) == nullptr || constant_float(node, index).has_value();
}

/// The pads for every axis, when pads and axes are constant and the rank is known.
std::optional<std::vector<int64_t>> full_pads(const ir::Node& node) {
  const auto pads = constant_ints(node, 1);
  if (!pads || node.input(3) == nullptr) return pads;
  const auto axes = constant_ints(node, 3);
  const int rank = node.input(0)->type().rank();
  if (!axes || rank < 0 || pads->size() != 2 * axes->size()) return std::nullopt;
  std::vector<int64_t> full(static_cast<size_t>(2 * rank), 0);
  for (size_t i = 0; i < axes->size(); ++i) {
    const auto axis = static_cast<size_t>((*axes)[i] < 0 ? (*axes)[i] + rank : (*axes)[i]);
    if (axis >= static_cast<size_t>(rank)) return std::nullopt;
    full[axis] = (*pads)[i];
    full[axis + static_cast<size_t>(rank)] = (*pads)[i + axes->size()];
  }
  return full;
}

}  // namespace

Reason raise_clip(RaisedNode& node, RaiseContext& context) {
  if (context.opset() >= 11) return node.attributes.empty() ? "" : "min and max are no attributes from opset 11 on";
  const ir::DType dtype = context.dtype(node.input(0));
  // The defaults are the largest floats, so that an absent bound is no bound.
  const auto bound = [&](std::string_view name, size_t index) {
    if (!node.attributes.has(name)) return;
    node.set_input(index, context.constant(float_scalar(dtype, node.attributes.get_float(name, 0))));
    node.attributes.erase(name);
  };
  bound("min", 1);
  bound("max", 2);
  return {};
}

int needs_clip(const ir::Node& node) {
  const ir::DType dtype = node.input(0) != nullptr ? node.input(0)->type().dtype : ir::DType::undefined;
  if (ir::is_integer(dtype)) return 12;
  return absent_or_constant_float(node, 1) && absent_or_constant_float(node, 2) ? 6 : 11;
}

void lower_clip(const ir::Node& node, LoweredNode& out, LowerContext& context) {
  if (context.opset() >= 11) return;
  if (const auto low = constant_float(node, 1)) out.attributes.set("min", *low);
  if (const auto high = constant_float(node, 2)) out.attributes.set("max", *high);
  out.drop_inputs_from(1);
}

Reason raise_pad(RaisedNode& node, RaiseContext& context) {
  if (context.opset() >= 11) {
    return node.attributes.has("pads") || node.attributes.has("value") ? "pads are no attribute from opset 11 on" : "";
  }
  ints_to_input(node, context, "pads", 1);
  const float value = node.attributes.get_float("value", 0);
  node.attributes.erase("value");
  if (value != 0) node.set_input(2, context.constant(float_scalar(context.dtype(node.input(0)), value)));
  return {};
}

int needs_pad(const ir::Node& node) {
  if (node.attributes().get_string("mode", "constant") == "wrap") return 19;
  const auto pads = full_pads(node);
  if (!pads && node.input(3) != nullptr) return 18;
  const ir::DType dtype = node.input(0) != nullptr ? node.input(0)->type().dtype : ir::DType::undefined;
  if (!pads || !absent_or_constant_float(node, 2) || (dtype != ir::DType::undefined && !ir::is_float(dtype))) return 11;
  return 2;
}

void lower_pad(const ir::Node& node, LoweredNode& out, LowerContext& context) {
  if (context.opset() >= 18) return;
  const auto pads = full_pads(node);
  if (context.opset() >= 11) {
    if (!pads || node.input(3) == nullptr) return;
    out.inputs[1] = context.constant(ir::Tensor::of<int64_t>({static_cast<int64_t>(pads->size())}, *pads));
    out.drop_inputs_from(3);
    trim(out);
    return;
  }
  if (pads) out.attributes.set("pads", *pads);
  if (const auto value = constant_float(node, 2)) out.attributes.set("value", *value);
  out.drop_inputs_from(1);
}

}  // namespace edgesmith::onnx::forms
