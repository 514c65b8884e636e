// SPDX-License-Identifier: Apache-2.0
#include "passes/channels/remove_channels.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <tuple>

namespace edgesmith::passes {
namespace {

using Kept = std::vector<int64_t>;  // indices along an axis, in their new order

ir::Tensor slices_of(const ir::Tensor& tensor, int axis, const Kept& kept) {
  ir::Dims dims = tensor.dims();
  const auto at = static_cast<size_t>(axis);
  const int64_t size = dims[at];
  size_t inner = ir::dtype_bits(tensor.dtype()) / 8;
  for (size_t d = at + 1; d < dims.size(); ++d) inner *= static_cast<size_t>(dims[d]);
  dims[at] = static_cast<int64_t>(kept.size());
  ir::Tensor out = ir::Tensor::zeros(tensor.dtype(), dims);
  const std::byte* from = tensor.bytes().data();
  std::byte* to = out.mutable_bytes().data();
  for (size_t first = 0; first < tensor.bytes().size(); first += static_cast<size_t>(size) * inner) {
    for (const int64_t index : kept) {
      std::memcpy(to, from + first + static_cast<size_t>(index) * inner, inner);
      to += inner;
    }
  }
  return out;
}

// Whether all of `size` slices stay where they are.
bool is_all(const Kept& kept, int64_t size) {
  return static_cast<int64_t>(kept.size()) == size && std::is_sorted(kept.begin(), kept.end());
}

class Rearrangement {
 public:
  // `kept`: by space.
  Rearrangement(ir::Graph& graph, const ChannelMap& map, std::vector<Kept> kept)
      : graph_(graph), map_(map), kept_(std::move(kept)) {}

  // Whether slices that become slices of another value go where those go.
  bool agrees() const {
    for (const ir::Node& node : graph_.nodes()) {
      const ops::ChannelRelation* relation = map_.relation(node);
      if (relation == nullptr || relation->mixing) continue;
      const Kept& result = kept(*map_.space(&node.output()));
      for (const ops::SliceLink& link : relation->links) {
        if (!agrees(node, link, result)) return false;
      }
    }
    return true;
  }

  Status run() {
    for (ir::Node& node : graph_.nodes()) {
      const ops::ChannelRelation* relation = map_.relation(node);
      if (relation == nullptr) continue;
      const ChannelSpace& result = *map_.space(&node.output());
      relation->mixing ? cut_layer(node, *relation->mixing, result) : cut_links(node, *relation, result);
    }
    for (const ChannelSpace& space : map_.spaces()) {
      ir::Shape shape = space.value->type().shape.value();
      shape[static_cast<size_t>(space.axis)] = static_cast<int64_t>(kept(space).size());
      space.value->set_type({space.value->type().dtype, std::move(shape)});
    }
    return ops::infer_types(graph_);
  }

 private:
  const Kept& kept(const ChannelSpace& space) const {
    return kept_[static_cast<size_t>(&space - map_.spaces().data())];
  }

  bool agrees(const ir::Node& node, const ops::SliceLink& link, const Kept& result) const {
    const ChannelSpace* operand = map_.linked(node, link);
    const ir::Tensor* constant = node.input(link.operand)->constant();
    if (operand == nullptr && constant == nullptr) return true;
    const int64_t size = operand != nullptr ? operand->size : constant->dims()[static_cast<size_t>(link.axis)];
    for (int64_t i = 0; i < size * link.repeat; ++i) {
      const int64_t from = result[static_cast<size_t>(link.first + i)] - link.first;
      if (from < 0 || from >= size * link.repeat) return false;
      if (operand == nullptr) continue;
      if (from != kept(*operand)[static_cast<size_t>(i / link.repeat)] * link.repeat + i % link.repeat) return false;
    }
    return true;
  }

  void cut_layer(ir::Node& node, const ops::Mixing& mixing, const ChannelSpace& result) {
    const Kept& outputs = kept(result);
    if (const ChannelSpace* input = map_.mixed(node, mixing))
      cut(node, mixing.weight, mixing.weight_in_axis, kept(*input));
    cut(node, mixing.weight, mixing.weight_out_axis, outputs);
    if (mixing.bias < 0 || node.input(mixing.bias) == nullptr) return;
    const int last = node.input(mixing.bias)->constant()->rank() - 1;
    if (last >= 0 && node.input(mixing.bias)->constant()->dims()[static_cast<size_t>(last)] == result.size) {
      cut(node, mixing.bias, last, outputs);
    }
  }

  void cut_links(ir::Node& node, const ops::ChannelRelation& relation, const ChannelSpace& result) {
    const Kept& outputs = kept(result);
    if (is_all(outputs, result.size)) return;
    for (const ops::SliceLink& link : relation.links) {
      if (node.input(link.operand)->constant() == nullptr) continue;
      Kept own;  // constants never repeat
      for (const int64_t m : outputs) {
        const int64_t size = node.input(link.operand)->constant()->dims()[static_cast<size_t>(link.axis)];
        if (m >= link.first && m < link.first + size) own.push_back(m - link.first);
      }
      cut(node, link.operand, link.axis, own);
    }
    if (node.is(ir::OpKind::conv)) {
      node.attributes().set("group", static_cast<int64_t>(kept(*map_.space(node.input(0))).size()));
    }
    if (node.is(ir::OpKind::pad)) pad_less(node, relation.links[0], outputs, result);
    if (node.is(ir::OpKind::reshape)) resize_target(node, result.axis, static_cast<int64_t>(outputs.size()));
  }

  // The channels that a Pad adds are those of the result outside of its link.
  void pad_less(ir::Node& node, const ops::SliceLink& link, const Kept& outputs, const ChannelSpace& result) {
    const ChannelSpace& operand = *map_.linked(node, link);
    std::vector<int64_t> pads = node.input(1)->constant()->to_int64s();
    const std::vector<int64_t> axes =
        node.input(3) != nullptr ? node.input(3)->constant()->to_int64s() : std::vector<int64_t>{};
    const size_t count = pads.size() / 2;
    size_t at = axes.empty() ? static_cast<size_t>(link.axis) : count;  // its place among the pads
    for (size_t i = 0; i < axes.size(); ++i) {
      const int64_t axis = axes[i] < 0 ? axes[i] + node.output().type().rank() : axes[i];
      if (axis == result.axis) at = i;
    }
    if (at >= count) return;
    pads[at] = std::count_if(outputs.begin(), outputs.end(), [&](int64_t m) { return m < link.first; });
    pads[at + count] =
        std::count_if(outputs.begin(), outputs.end(), [&](int64_t m) { return m >= link.first + operand.size; });
    replace(node, 1, ir::Tensor::of<int64_t>({static_cast<int64_t>(pads.size())}, pads));
  }

  // The shape that a Reshape asks for.
  void resize_target(ir::Node& node, int axis, int64_t size) {
    std::vector<int64_t> target = node.input(1)->constant()->to_int64s();
    int64_t& dim = target[static_cast<size_t>(axis)];
    if (dim <= 0) return;
    dim = size;
    replace(node, 1, ir::Tensor::of<int64_t>({static_cast<int64_t>(target.size())}, target));
  }

  // Operand `index` keeps these slices. Readers of one constant that keep the same share the new one.
  void cut(ir::Node& node, int index, int axis, const Kept& kept) {
    const ir::Value& value = *node.input(index);
    const ir::Tensor& tensor = *value.constant();
    if (is_all(kept, tensor.dims()[static_cast<size_t>(axis)])) return;
    const auto key = std::make_tuple(value.id(), axis, kept);
    const auto made = made_.find(key);
    if (made != made_.end()) return graph_.set_input(node, index, made->second);
    replace(node, index, slices_of(tensor, axis, kept));
    made_.emplace(key, node.input(index));
  }

  void replace(ir::Node& node, int index, ir::Tensor tensor) {
    ir::Value& value = *node.input(index);
    if (value.uses().size() == 1) return graph_.set_tensor(value.node(), std::move(tensor));
    graph_.set_input(node, index, &graph_.add_constant(std::move(tensor), {}, &node));
  }

  ir::Graph& graph_;
  const ChannelMap& map_;
  const std::vector<Kept> kept_;
  std::map<std::tuple<int, int, Kept>, ir::Value*> made_;
};

}  // namespace

Status remove_channels(ir::Graph& graph, const ChannelMap& map, const std::vector<bool>& removed) {
  std::vector<Kept> kept(map.spaces().size());
  for (size_t s = 0; s < kept.size(); ++s) {
    const ChannelSpace& space = map.spaces()[s];
    for (int64_t c = 0; c < space.size; ++c) {
      if (!removed[static_cast<size_t>(space.first + c)]) kept[s].push_back(c);
    }
  }
  return Rearrangement(graph, map, std::move(kept)).run();
}

Result<bool> reorder_channels(ir::Graph& graph, const ChannelMap& map, const std::vector<std::vector<int64_t>>& order) {
  Rearrangement rearrangement(graph, map, order);
  if (!rearrangement.agrees()) return false;
  EDGESMITH_TRY(rearrangement.run());
  return true;
}

}  // namespace edgesmith::passes
