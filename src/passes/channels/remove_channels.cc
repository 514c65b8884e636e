// SPDX-License-Identifier: Apache-2.0
#include "passes/channels/remove_channels.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <tuple>

#include "passes/channels/narrow_node.h"

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
      for (const ops::SliceLink& link : relation->links) {
        if (!agrees(node, link)) return false;
      }
    }
    return true;
  }

  Status run() {
    for (ir::Node& node : graph_.nodes()) {
      const ops::ChannelRelation* relation = map_.relation(node);
      if (relation == nullptr) continue;
      relation->mixing ? cut_layer(node, *relation->mixing, *map_.space(&node.output())) : cut_links(node, *relation);
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

  const Kept& result_of(const ir::Node& node, const ops::SliceLink& link) const {
    return kept(*map_.space(&node.output(link.output)));
  }

  // The units of a link that the result keeps, in their new order.
  static Kept kept_units(const ops::SliceLink& link, const Kept& result) {
    Kept units;
    for (const int64_t slice : result) {
      const int64_t at = slice - link.to.first;
      if (at >= 0 && at < link.count * link.to.inner && at % link.to.inner == 0) units.push_back(at / link.to.inner);
    }
    return units;
  }

  // Where the slices of these units were.
  static Kept slices_of_units(const ops::SliceUnits& side, const Kept& units, int64_t count) {
    Kept slices;
    for (int64_t o = 0; o < side.outer; ++o) {
      for (const int64_t unit : units) {
        for (int64_t i = 0; i < side.inner; ++i) slices.push_back(side.first + (o * count + unit) * side.inner + i);
      }
    }
    return slices;
  }

  static bool lies_at(const Kept& whole, int64_t first, const Kept& part) {
    return first + static_cast<int64_t>(part.size()) <= static_cast<int64_t>(whole.size()) &&
           std::equal(part.begin(), part.end(), whole.begin() + first);
  }

  // Of orders without removals.
  bool agrees(const ir::Node& node, const ops::SliceLink& link) const {
    const ChannelSpace* operand = map_.linked(node, link);
    if (operand == nullptr && node.input(link.operand)->constant() == nullptr) return true;
    const Kept& result = result_of(node, link);
    const Kept units = kept_units(link, result);
    return static_cast<int64_t>(units.size()) == link.count &&
           lies_at(result, link.to.first, slices_of_units(link.to, units, link.count)) &&
           (operand == nullptr ||
            lies_at(kept(*operand), link.from.first, slices_of_units(link.from, units, link.count)));
  }

  void cut_layer(ir::Node& node, const ops::Mixing& mixing, const ChannelSpace& result) {
    const Kept& outputs = kept(result);
    if (const ChannelSpace* input = map_.mixed(node, mixing)) {
      Kept inputs = kept(*input);  // of the first group, as of all
      const int64_t of_group = input->size / mixing_groups(node);
      std::erase_if(inputs, [&](int64_t channel) { return channel >= of_group; });
      cut(node, mixing.weight, mixing.weight_in_axis, inputs);
    }
    cut(node, mixing.weight, mixing.weight_out_axis, outputs);
    if (mixing.bias < 0 || node.input(mixing.bias) == nullptr) return;
    const int last = node.input(mixing.bias)->constant()->rank() - 1;
    if (last >= 0 && node.input(mixing.bias)->constant()->dims()[static_cast<size_t>(last)] == result.size) {
      cut(node, mixing.bias, last, outputs);
    }
  }

  void cut_links(ir::Node& node, const ops::ChannelRelation& relation) {
    for (const ops::SliceLink& link : relation.links) {
      const Kept& result = result_of(node, link);
      if (is_all(result, map_.space(&node.output(link.output))->size)) continue;
      if (node.input(link.operand)->constant() == nullptr) continue;
      cut(node, link.operand, link.axis, slices_of_units(link.from, kept_units(link, result), link.count));
    }
    std::vector<NarrowedLink> narrowed;
    for (const ops::SliceLink& link : relation.links) {
      const ChannelSpace &result = *map_.space(&node.output(link.output)), *operand = map_.linked(node, link);
      narrowed.push_back({link, result.axis, operand == nullptr ? nullptr : &kept(*operand), &kept(result),
                          operand == nullptr ? 0 : operand->size, result.size});
    }
    narrow_node(graph_, node, narrowed);
  }

  // Operand `index` keeps these slices. Readers of one constant that keep the same share the new one.
  void cut(ir::Node& node, int index, int axis, const Kept& kept) {
    const ir::Value& value = *node.input(index);
    const ir::Tensor& tensor = *value.constant();
    if (is_all(kept, tensor.dims()[static_cast<size_t>(axis)])) return;
    const auto key = std::make_tuple(value.id(), axis, kept);
    const auto made = made_.find(key);
    if (made != made_.end()) return graph_.set_input(node, index, made->second);
    replace_constant(graph_, node, index, slices_of(tensor, axis, kept));
    made_.emplace(key, node.input(index));
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
