// SPDX-License-Identifier: Apache-2.0
#include "passes/channels/narrow_node.h"

#include <algorithm>

namespace edgesmith::passes {
namespace {

using ir::OpKind;

int64_t kept_in(const std::vector<int64_t>& kept, int64_t first, int64_t end) {
  return std::count_if(kept.begin(), kept.end(), [&](int64_t slice) { return slice >= first && slice < end; });
}

int64_t num_kept(const std::vector<int64_t>& kept) { return static_cast<int64_t>(kept.size()); }

void replace_ints(ir::Graph& graph, ir::Node& node, int index, const std::vector<int64_t>& numbers, ir::DType dtype) {
  const ir::Dims dims = {static_cast<int64_t>(numbers.size())};
  const std::vector<int32_t> narrow(numbers.begin(), numbers.end());
  replace_constant(
      graph, node, index,
      dtype == ir::DType::i32 ? ir::Tensor::of<int32_t>(dims, narrow) : ir::Tensor::of<int64_t>(dims, numbers));
}

// The place of `axis` in an operand that lists axes (all of them, without one); the length of the list when it is not
// there.
size_t place_of(const ir::Node& node, int index, int axis, size_t length) {
  const ir::Value* list = node.input(index);
  if (list == nullptr) return std::min(length, static_cast<size_t>(axis));
  const std::vector<int64_t> axes = list->constant()->to_int64s();
  const int rank = node.input(0)->type().rank();
  const auto found = std::find_if(axes.begin(), axes.end(), [&](int64_t a) { return (a < 0 ? a + rank : a) == axis; });
  return found == axes.end() ? length : static_cast<size_t>(found - axes.begin());
}

// An attribute that counts units.
void set_units(ir::Node& node, const char* name, const NarrowedLink& narrowed, int64_t for_each = 1) {
  if (node.attributes().has(name))
    node.attributes().set(name, num_kept(*narrowed.result) / narrowed.link.to.inner * for_each);
}

void narrow_attention(ir::Node& node, const NarrowedLink& narrowed) {
  const int64_t heads = node.attributes().get_int("q_num_heads", 0);
  set_units(node, "q_num_heads", narrowed, std::max<int64_t>(1, heads / narrowed.link.count));
  set_units(node, "kv_num_heads", narrowed);
}

// The channels that a Pad adds are those of the result outside of its link.
void narrow_pad(ir::Graph& graph, ir::Node& node, const NarrowedLink& narrowed) {
  std::vector<int64_t> pads = node.input(1)->constant()->to_int64s();
  const size_t count = pads.size() / 2, at = place_of(node, 3, narrowed.result_axis, count);
  if (at >= count) return;
  const int64_t first = narrowed.link.to.first, end = first + narrowed.operand_size;
  pads[at] = kept_in(*narrowed.result, 0, first);
  pads[at + count] = kept_in(*narrowed.result, end, narrowed.result_size);
  replace_ints(graph, node, 1, pads, ir::DType::i64);
}

// The shape that a Reshape or an Expand asks for; of an Expand it may leave out the first dims.
void narrow_shape(ir::Graph& graph, ir::Node& node, const NarrowedLink& narrowed) {
  std::vector<int64_t> dims = node.input(1)->constant()->to_int64s();
  const int at = narrowed.result_axis - (node.output().type().rank() - static_cast<int>(dims.size()));
  if (at < 0 || dims[static_cast<size_t>(at)] <= 0) return;
  if (node.is(OpKind::expand) && dims[static_cast<size_t>(at)] == 1) return;
  dims[static_cast<size_t>(at)] = num_kept(*narrowed.result);
  replace_ints(graph, node, 1, dims, ir::DType::i64);
}

void narrow_slice(ir::Graph& graph, ir::Node& node, const NarrowedLink& narrowed) {
  const ir::DType dtype = node.input(1)->constant()->dtype();
  std::vector<int64_t> starts = node.input(1)->constant()->to_int64s();
  const size_t at = place_of(node, 3, narrowed.link.axis, starts.size());
  if (at >= starts.size()) return;
  std::vector<int64_t> ends = node.input(2)->constant()->to_int64s();
  starts[at] = kept_in(*narrowed.operand, 0, narrowed.link.from.first);
  ends[at] = starts[at] + num_kept(*narrowed.result);
  replace_ints(graph, node, 1, starts, dtype);
  replace_ints(graph, node, 2, ends, dtype);
}

void narrow_split(ir::Graph& graph, ir::Node& node, const std::vector<NarrowedLink>& links) {
  int64_t axis = node.attributes().get_int("axis", 0);
  if (axis < 0) axis += node.input(0)->type().rank();
  if (axis != links[0].link.axis) return;
  std::vector<int64_t> sizes;
  for (const NarrowedLink& narrowed : links) sizes.push_back(num_kept(*narrowed.result));
  const bool equal = std::adjacent_find(sizes.begin(), sizes.end(), std::not_equal_to<>()) == sizes.end();
  if (equal && node.input(1) == nullptr) return;
  node.attributes().erase("num_outputs");
  if (node.input(1) != nullptr) return replace_ints(graph, node, 1, sizes, ir::DType::i64);
  ir::Tensor tensor = ir::Tensor::of<int64_t>({static_cast<int64_t>(sizes.size())}, sizes);
  graph.set_input(node, 1, &graph.add_constant(std::move(tensor), {}, &node));
}

}  // namespace

void narrow_node(ir::Graph& graph, ir::Node& node, const std::vector<NarrowedLink>& links) {
  const auto loses = [](const NarrowedLink& narrowed) {
    return num_kept(*narrowed.result) != narrowed.result_size ||
           (narrowed.operand != nullptr && num_kept(*narrowed.operand) != narrowed.operand_size);
  };
  if (std::none_of(links.begin(), links.end(), loses)) return;
  switch (node.op()) {
    case OpKind::conv:
    case OpKind::conv_transpose: return set_units(node, "group", links[0]);
    case OpKind::group_normalization: return set_units(node, "num_groups", links[0]);
    case OpKind::rotary_embedding: return set_units(node, "num_heads", links[0]);
    case OpKind::attention: return narrow_attention(node, links[0]);
    case OpKind::pad: return narrow_pad(graph, node, links[0]);
    case OpKind::reshape:
    case OpKind::expand: return narrow_shape(graph, node, links[0]);
    case OpKind::slice: return narrow_slice(graph, node, links[0]);
    case OpKind::split: return narrow_split(graph, node, links);
    default: return;
  }
}

void replace_constant(ir::Graph& graph, ir::Node& node, int index, ir::Tensor tensor) {
  ir::Value& value = *node.input(index);
  if (value.uses().size() == 1) return graph.set_tensor(value.node(), std::move(tensor));
  graph.set_input(node, index, &graph.add_constant(std::move(tensor), {}, &node));
}

}  // namespace edgesmith::passes
