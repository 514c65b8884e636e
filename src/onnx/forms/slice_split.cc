// SPDX-License-Identifier: Apache-2.0
// Slice (starts, ends, axes became inputs in opset 10, with steps) and Split (sizes became an input in 13, num_outputs
// came in 18).
#include <algorithm>

#include "onnx/forms/forms.h"

namespace edgesmith::onnx::forms {
namespace {

/// True when operand `index` is constant or absent.
bool fixed(const ir::Node& node, int index) { return node.input(index) == nullptr || constant_ints(node, index); }

bool has_unit_steps(const ir::Node& node) {
  const auto steps = constant_ints(node, 4);
  if (!steps) return node.input(4) == nullptr;
  return std::all_of(steps->begin(), steps->end(), [](int64_t step) { return step == 1; });
}

}  // namespace

Reason raise_slice(RaisedNode& node, RaiseContext& context) {
  if (context.opset() >= 10) return node.attributes.empty() ? "" : "starts and ends are no attributes from opset 10 on";
  ints_to_input(node, context, "starts", 1);
  ints_to_input(node, context, "ends", 2);
  ints_to_input(node, context, "axes", 3);
  return {};
}

int needs_slice(const ir::Node& node) {
  const bool plain = fixed(node, 1) && fixed(node, 2) && fixed(node, 3) && has_unit_steps(node);
  return plain ? 1 : 10;
}

void lower_slice(const ir::Node& node, LoweredNode& out, LowerContext& context) {
  if (context.opset() >= 10) return;
  if (const auto starts = constant_ints(node, 1)) out.attributes.set("starts", *starts);
  if (const auto ends = constant_ints(node, 2)) out.attributes.set("ends", *ends);
  if (const auto axes = constant_ints(node, 3)) out.attributes.set("axes", *axes);
  out.drop_inputs_from(1);
}

Reason raise_split(RaisedNode& node, RaiseContext& context) {
  if (context.opset() < 13) ints_to_input(node, context, "split", 1);
  if (node.attributes.has("split")) return "split is no attribute from opset 13 on";
  if (context.opset() < 18 && node.input(1) == nullptr) {
    node.attributes.set("num_outputs", int64_t{node.num_outputs});
  }
  return {};
}

int needs_split(const ir::Node& node) {
  if (!fixed(node, 1)) return 13;
  if (node.input(1) != nullptr) return 2;
  const int64_t axis = node.attributes().get_int("axis", 0);
  const ir::Type& type = node.input(0)->type();
  if (!type.has_rank()) return 18;
  const int64_t at = axis < 0 ? axis + type.rank() : axis;
  if (at < 0 || at >= type.rank()) return 18;
  const ir::Dim& dim = (*type.shape)[static_cast<size_t>(at)];
  // Before 18 the parts must be equal; a symbolic dim is taken to divide as the source said.
  return dim.known() && dim.value() % node.num_outputs() != 0 ? 18 : 2;
}

void lower_split(const ir::Node& node, LoweredNode& out, LowerContext& context) {
  if (context.opset() < 18) out.attributes.erase("num_outputs");
  if (context.opset() >= 13) return;
  if (const auto split = constant_ints(node, 1)) out.attributes.set("split", *split);
  out.drop_inputs_from(1);
}

}  // namespace edgesmith::onnx::forms
