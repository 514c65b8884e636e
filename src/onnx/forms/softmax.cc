// SPDX-License-Identifier: Apache-2.0
// Softmax, LogSoftmax, Hardmax: before opset 13 the tensor was taken as a matrix, cut at `axis` (default 1), and the
// function ran along its rows. Canonical: `axis` alone, or attribute coerce_2d = 1 for the older meaning.
#include "onnx/forms/forms.h"

namespace edgesmith::onnx::forms {
namespace {

bool coerces(const ir::Node& node) { return node.attributes().get_int("coerce_2d", 0) != 0; }

/// The axis counted from the front, or -1.
int64_t axis_of(const ir::Node& node) {
  const int64_t axis = node.attributes().get_int("axis", coerces(node) ? 1 : -1);
  const int rank = node.input(0) != nullptr ? node.input(0)->type().rank() : -1;
  return axis >= 0 ? axis : (rank >= 0 ? axis + rank : -1);
}

}  // namespace

Reason raise_softmax(RaisedNode& node, RaiseContext& context) {
  if (context.opset() >= 13) return {};
  const int64_t axis = node.attributes.get_int("axis", 1);
  const int rank = context.rank(node.input(0));
  const bool last = axis == -1 || (rank > 0 && axis == rank - 1);
  node.attributes.set("axis", last ? int64_t{-1} : axis);
  if (!last) node.attributes.set("coerce_2d", int64_t{1});
  return {};
}

int needs_softmax(const ir::Node& node) {
  if (coerces(node)) return 1;
  const int rank = node.input(0) != nullptr ? node.input(0)->type().rank() : -1;
  return rank > 0 && axis_of(node) == rank - 1 ? 1 : 13;
}

void lower_softmax(const ir::Node& node, LoweredNode& out, LowerContext& context) {
  const bool coerce = coerces(node);
  out.attributes.erase("coerce_2d");
  if (context.opset() < 13) {
    if (coerce || axis_of(node) >= 0)
      out.attributes.set("axis", coerce ? node.attributes().get_int("axis", 1) : axis_of(node));
    return;
  }
  if (!coerce) return;
  // Flatten -> Softmax(axis=-1) -> Reshape to the shape before.
  const std::string shape = context.fresh_name(), matrix = context.fresh_name(), rows = context.fresh_name();
  LoweredNode get_shape, flatten, reshape;
  get_shape.op = "Shape";
  flatten.op = "Flatten";
  reshape.op = "Reshape";
  get_shape.inputs = {out.inputs[0]};
  get_shape.outputs = {shape};
  flatten.inputs = {out.inputs[0]};
  flatten.outputs = {matrix};
  flatten.attributes.set("axis", node.attributes().get_int("axis", 1));
  reshape.inputs = {rows, shape};
  reshape.outputs = out.outputs;
  out.inputs = {matrix};
  out.outputs = {rows};
  out.attributes.set("axis", int64_t{-1});
  context.before(std::move(get_shape));
  context.before(std::move(flatten));
  context.after(std::move(reshape));
}

}  // namespace edgesmith::onnx::forms
