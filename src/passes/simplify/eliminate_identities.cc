// SPDX-License-Identifier: Apache-2.0
// Removes nodes that pass their input through unchanged: Identity, Cast to the same type, Transpose in order, Reshape
// and Expand to the same static shape, Concat of one, Pad by nothing, Mul or Div by 1, Add or Sub of 0.
//
//   %y = identity %x
//   %z = relu %y          =>   %z = relu %x
//
// An output with an annotation of its own is not the same value and stays.
#include "passes/rewrite.h"

namespace edgesmith::passes {
namespace {

using ir::OpKind;

bool same_static_shape(const ir::Node& node) {
  const auto in = node.input(0)->type().static_dims(), out = node.output().type().static_dims();
  return in && out && *in == *out;
}

bool same_shape(const ir::Node& node) {
  const auto& in = node.input(0)->type().shape;
  const auto& out = node.output().type().shape;
  if (!in || !out || in->size() != out->size()) return false;
  for (size_t d = 0; d < in->size(); ++d) {
    if (!(*in)[d].same_as((*out)[d])) return false;
  }
  return true;
}

bool is_ordered(const ir::Ints& permutation) {
  for (size_t i = 0; i < permutation.size(); ++i) {
    if (permutation[i] != static_cast<int64_t>(i)) return false;
  }
  return !permutation.empty();
}

// Every element of a float constant operand is `number`, and it does not broadcast the other operand.
bool is_neutral(const ir::Node& node, float number) {
  const ir::Tensor* tensor = plain_constant(node, 1);
  if (tensor == nullptr || tensor->dtype() != ir::DType::f32 || !same_shape(node)) return false;
  for (const float x : tensor->to_floats()) {
    if (x != number) return false;
  }
  return tensor->size() > 0;
}

bool pads_nothing(const ir::Node& node) {
  const ir::Tensor* amounts = plain_constant(node, 1);
  if (amounts == nullptr) return false;
  for (const int64_t amount : amounts->to_int64s()) {
    if (amount != 0) return false;
  }
  return true;
}

bool passes_through(const ir::Node& node) {
  switch (node.op()) {
    case OpKind::identity: return true;
    case OpKind::cast:
      return node.input(0)->type().dtype != ir::DType::undefined &&
             node.input(0)->type().dtype == node.output().type().dtype;
    case OpKind::transpose: return is_ordered(node.attributes().get_ints("perm"));
    case OpKind::reshape:
    case OpKind::expand: return same_static_shape(node);
    case OpKind::flatten: return node.input(0)->type().rank() == 2 && node.attributes().get_int("axis", 1) == 1;
    case OpKind::concat: return node.num_inputs() == 1;
    case OpKind::sum:
    case OpKind::max:
    case OpKind::min:
    case OpKind::mean: return node.num_inputs() == 1;
    case OpKind::pad: return pads_nothing(node);
    case OpKind::mul:
    case OpKind::div: return is_neutral(node, 1.0f);
    case OpKind::add:
    case OpKind::sub: return is_neutral(node, 0.0f);
    default: return false;  // an op not named here computes something
  }
}

Result<Change> run(ir::Graph& graph, const Options&, PassContext&) {
  Change change = Change::none;
  for (ir::Node& node : graph.nodes()) {
    if (!passes_through(node) || node.input(0) == nullptr || !is_plain(node.output())) continue;
    bypass_node(graph, node, *node.input(0));
    change = Change::changed;
  }
  return change;
}

}  // namespace

extern const PassInfo eliminate_identities_pass = {
    "eliminate-identities", "remove nodes that change nothing", no_options, run, false, false};

}  // namespace edgesmith::passes
