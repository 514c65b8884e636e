// SPDX-License-Identifier: Apache-2.0
// Removes nodes that pass their input through unchanged: Identity, Cast to the same type, Transpose in order, Reshape
// and Expand to the same static shape, Concat of one, Pad by nothing, Slice of everything, Mul or Div by 1, Add or Sub
// of 0, Where with a condition that is the same everywhere; and a Squeeze and an Unsqueeze that undo each other.
//
//   %y = identity %x
//   %z = relu %y          =>   %z = relu %x
//
// An output with an annotation of its own is not the same value and stays.
#include <algorithm>
#include <limits>

#include "passes/rewrite.h"

namespace edgesmith::passes {
namespace {

using ir::OpKind;

bool same_static_shape(const ir::Node& node) {
  const auto in = node.input(0)->type().static_dims(), out = node.output().type().static_dims();
  return in && out && *in == *out;
}

bool same_shape(const ir::Node& node, int index = 0) {
  const auto& in = node.input(index)->type().shape;
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

bool all_are(const ir::Ints& numbers, int64_t number) {
  return std::all_of(numbers.begin(), numbers.end(), [number](int64_t n) { return n == number; });
}

// From the first entry to the last whatever the size: ends that large are how exporters write "all".
bool slices_nothing(const ir::Node& node) {
  const ir::Tensor *starts = plain_constant(node, 1), *ends = plain_constant(node, 2);
  const bool stepping = node.num_inputs() > 4 && node.input(4) != nullptr;
  const ir::Tensor* steps = stepping ? plain_constant(node, 4) : nullptr;
  if (starts == nullptr || ends == nullptr || (stepping && steps == nullptr)) return false;
  const ir::Ints last = ends->to_int64s();
  return all_are(starts->to_int64s(), 0) && (steps == nullptr || all_are(steps->to_int64s(), 1)) &&
         std::all_of(last.begin(), last.end(), [](int64_t n) { return n >= std::numeric_limits<int32_t>::max(); });
}

// What came in before the producer of the operand took away, or added, the dims that the node adds, or takes away.
ir::Value* before_undone(const ir::Node& node) {
  if (!node.is(OpKind::squeeze) && !node.is(OpKind::unsqueeze)) return nullptr;
  const ir::Node& first = node.input(0)->node();
  const bool pair = (node.is(OpKind::unsqueeze) && first.is(OpKind::squeeze)) ||
                    (node.is(OpKind::squeeze) && first.is(OpKind::unsqueeze));
  if (!pair || !is_plain(first.output()) || first.num_inputs() < 2 || node.num_inputs() < 2) return nullptr;
  const ir::Tensor *inner = plain_constant(first, 1), *outer = plain_constant(node, 1);
  const ir::Value& value = *first.input(0);
  // Axes count in the longer of the two shapes on both sides, so equal numbers are equal axes.
  if (inner == nullptr || outer == nullptr || inner->to_int64s() != outer->to_int64s()) return nullptr;
  return is_plain(value) ? first.input(0) : nullptr;
}

// What a Where takes everywhere, in its own shape.
ir::Value* always_chosen(const ir::Node& node) {
  const ir::Tensor* condition = node.is(OpKind::where) ? plain_constant(node, 0) : nullptr;
  if (condition == nullptr || condition->size() == 0) return nullptr;
  const ir::Ints chosen = condition->to_int64s();
  if (!all_are(chosen, chosen[0])) return nullptr;
  const int index = chosen[0] != 0 ? 1 : 2;
  return same_shape(node, index) ? node.input(index) : nullptr;
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
    case OpKind::slice: return slices_nothing(node);
    case OpKind::mul:
    case OpKind::div: return is_neutral(node, 1.0f);
    case OpKind::add:
    case OpKind::sub: return is_neutral(node, 0.0f);
    default: return false;  // an op not named here computes something
  }
}

ir::Value* same_value(const ir::Node& node) {
  if (passes_through(node)) return node.input(0);
  ir::Value* chosen = always_chosen(node);
  return chosen != nullptr ? chosen : before_undone(node);
}

Result<Change> run_eliminate_identities(ir::Graph& graph, const Options&, PassContext&) {
  Change change = Change::none;
  for (ir::Node& node : graph.nodes()) {
    ir::Value* same = same_value(node);
    if (same == nullptr || !is_plain(node.output())) continue;
    bypass_node(graph, node, *same);
    change = Change::changed;
  }
  return change;
}

}  // namespace

extern const PassInfo eliminate_identities_pass = {
    "eliminate-identities", "remove nodes that change nothing", no_options, run_eliminate_identities, false, false};

}  // namespace edgesmith::passes
