// SPDX-License-Identifier: Apache-2.0
// Merges an Unsqueeze into the Unsqueeze before it, a Squeeze into the Squeeze before it, and both into a Gather of one
// entry: an index of rank 0 takes the axis away, one of shape [1] leaves a dim of 1.
//
//   %a = unsqueeze %x, {1}
//   %y = unsqueeze %a, {2}        =>   %y = unsqueeze %x, {1, 2}
//
//   %a = gather %s, 3
//   %y = unsqueeze %a, {0}        =>   %y = gather %s, {3}
#include <algorithm>

#include "passes/rewrite.h"

namespace edgesmith::passes {
namespace {

using ir::OpKind;

// The axes of a Squeeze or Unsqueeze, ascending, counted in the longer of its two shapes.
std::optional<ir::Ints> axes_of(const ir::Node& node) {
  const ir::Tensor* axes = node.num_inputs() > 1 ? plain_constant(node, 1) : nullptr;
  const ir::Type& longer = node.is(OpKind::squeeze) ? node.input(0)->type() : node.output().type();
  if (axes == nullptr || !longer.has_rank()) return std::nullopt;
  ir::Ints sorted = axes->to_int64s();
  for (int64_t& axis : sorted) axis += axis < 0 ? longer.rank() : 0;
  std::sort(sorted.begin(), sorted.end());
  const bool distinct = std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end();
  if (sorted.empty() || !distinct || sorted.front() < 0 || sorted.back() >= longer.rank()) return std::nullopt;
  return sorted;
}

// `inner` counts dims among those that `outer`, ascending, leaves out of `rank`: the same places counted among all, and
// `outer`. nullopt where the ranks do not fit.
std::optional<ir::Ints> together(const ir::Ints& outer, const ir::Ints& inner, int rank) {
  ir::Ints left;
  for (int64_t axis = 0; axis < rank; ++axis) {
    if (!std::binary_search(outer.begin(), outer.end(), axis)) left.push_back(axis);
  }
  ir::Ints all = outer;
  if (inner.back() >= static_cast<int64_t>(left.size())) return std::nullopt;
  for (const int64_t axis : inner) all.push_back(left[static_cast<size_t>(axis)]);
  std::sort(all.begin(), all.end());
  return all;
}

bool merge_pair(ir::Graph& graph, ir::Node& node) {
  const ir::Node* first = sole_producer(node, 0, node.op());
  if (first == nullptr) return false;
  const auto before = axes_of(*first), after = axes_of(node);
  if (!before || !after) return false;
  // What is longest: the result of the second Unsqueeze, the operand of the first Squeeze.
  const bool adds = node.is(OpKind::unsqueeze);
  const auto all = adds ? together(*after, *before, node.output().type().rank())
                        : together(*before, *after, first->input(0)->type().rank());
  if (!all) return false;
  auto tensor = ir::Tensor::of<int64_t>({static_cast<int64_t>(all->size())}, *all);
  ir::Value& operand = *first->input(0);
  graph.set_input(node, 1, &graph.add_constant(std::move(tensor), {}, &node));
  graph.set_input(node, 0, &operand);
  return true;
}

// A Gather of one entry, whose axis the node adds again, or takes away.
bool merge_gather(ir::Graph& graph, ir::Node& node) {
  ir::Node* gather = sole_producer(node, 0, OpKind::gather);
  const auto axes = axes_of(node);
  if (gather == nullptr || !axes || axes->size() != 1) return false;
  const ir::Tensor* index = plain_constant(*gather, 1);
  const int rank = gather->input(0)->type().rank();
  int64_t axis = gather->attributes().get_int("axis", 0);
  axis += axis < 0 ? rank : 0;
  const bool adds = node.is(OpKind::unsqueeze);
  if (index == nullptr || rank < 0 || axis != (*axes)[0] || index->rank() != (adds ? 0 : 1) || index->size() != 1) {
    return false;
  }
  ir::Value& reshaped = graph.add_constant(index->dense().reshaped(adds ? ir::Dims{1} : ir::Dims{}), {}, gather);
  graph.set_input(*gather, 1, &reshaped);
  gather->output().set_type(node.output().type());
  replace_node(graph, node, gather->output());
  return true;
}

bool fuse_unsqueezes(ir::Graph& graph, ir::Node& node) {
  if ((!node.is(OpKind::squeeze) && !node.is(OpKind::unsqueeze)) || !is_plain(node.output())) return false;
  return merge_pair(graph, node) || merge_gather(graph, node);
}

Result<Change> run_fuse_unsqueezes(ir::Graph& graph, const Options&, PassContext&) {
  return rewrite_nodes(graph, fuse_unsqueezes);
}

}  // namespace

extern const PassInfo fuse_unsqueezes_pass = {
    "fuse-unsqueezes",
    "merge an Unsqueeze or a Squeeze with its like or a Gather of one entry before it",
    no_options,
    run_fuse_unsqueezes,
    false,
    false};

}  // namespace edgesmith::passes
