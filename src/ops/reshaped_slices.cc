// SPDX-License-Identifier: Apache-2.0
// Axes before and after a Reshape. Both shapes fall into blocks of neighbouring axes that hold the same elements,
// counted from the left and from the right as far as dims are known or surely equal:
//
//   [N, T, 64]  ->  [N, T, 4, 16]      blocks {N}{N}, {T}{T}, {64}{4, 16}
//
// Within a block every axis is a range of the digits of one number, and one range may lie in another: the 4 above is
// the outer factor of 64, the 16 its inner one.
#include <algorithm>

#include "ops/slices.h"

namespace edgesmith::ops {
namespace {

struct Block {
  size_t from, from_end, to, to_end;
};

// Multiplies `product` by the next dim while that stays known and does not overflow.
bool extend(const ir::Shape& shape, size_t& end, int64_t& product) {
  if (end == shape.size() || !shape[end].known()) return false;
  return !__builtin_mul_overflow(product, shape[end++].value(), &product);
}

// Blocks from the left, as far as they can be told.
std::vector<Block> blocks_of(const ir::Shape& from, const ir::Shape& to) {
  std::vector<Block> blocks;
  for (size_t i = 0, j = 0; i < from.size() && j < to.size();) {
    Block block = {i, i + 1, j, j + 1};
    if (!from[i].same_as(to[j])) {
      if (!from[i].known() || !to[j].known()) return blocks;
      int64_t before = from[i].value(), after = to[j].value();
      while (before != after) {
        if (before <= 0 || after <= 0) return blocks;
        const bool longer = before < after ? extend(from, block.from_end, before) : extend(to, block.to_end, after);
        if (!longer) return blocks;
      }
    }
    blocks.push_back(block);
    i = block.from_end;
    j = block.to_end;
  }
  return blocks;
}

std::optional<Block> block_with(const ir::Shape& from, const ir::Shape& to, size_t axis) {
  for (const Block& block : blocks_of(from, to)) {
    if (axis >= block.to && axis < block.to_end) return block;
  }
  const ir::Shape from_back(from.rbegin(), from.rend()), to_back(to.rbegin(), to.rend());
  for (const Block& back : blocks_of(from_back, to_back)) {
    const Block block = {from.size() - back.from_end, from.size() - back.from, to.size() - back.to_end,
                         to.size() - back.to};
    if (axis >= block.to && axis < block.to_end) return block;
  }
  return std::nullopt;
}

// An axis as a digit of the number that counts a block's elements.
struct Digit {
  int64_t stride, extent;
  int64_t end() const { return stride * extent; }
  bool holds(const Digit& other) const {
    return other.stride % stride == 0 && other.end() <= end() && end() % other.end() == 0;
  }
  /// The slices of this digit by those of one that it holds.
  SliceUnits units_of(const Digit& other) const {
    return {.first = 0, .outer = end() / other.end(), .inner = other.stride / stride};
  }
};

Digit digit_of(const ir::Shape& shape, size_t axis, size_t end) {
  Digit digit = {1, shape[axis].value()};
  for (size_t d = axis + 1; d < end; ++d) digit.stride *= shape[d].value();
  return digit;
}

}  // namespace

std::optional<ChannelRelation> reshaped_slices(const ir::Node& node, int axis) {
  const auto &from = node.input(0)->type().shape, &to = node.output().type().shape;
  if (!from || !to) return std::nullopt;
  const auto at = static_cast<size_t>(axis);
  const auto block = block_with(*from, *to, at);
  if (!block) return std::nullopt;
  const auto link = [](size_t operand_axis) { return SliceLink{.operand = 0, .axis = static_cast<int>(operand_axis)}; };
  if (block->from_end - block->from == 1 && block->to_end - block->to == 1) {
    return ChannelRelation{.links = {link(block->from)}, .mixing = {}};
  }
  const Digit own = digit_of(*to, at, block->to_end);
  ChannelRelation relation;
  for (size_t m = block->from; own.extent > 1 && m < block->from_end; ++m) {
    const Digit other = digit_of(*from, m, block->from_end);
    if (other.extent < 2 || (!own.holds(other) && !other.holds(own))) continue;
    SliceLink& made = relation.links.emplace_back(link(m));
    if (other.holds(own)) made.from = other.units_of(own);
    if (own.holds(other)) made.to = own.units_of(other);
    made.count = std::min(own.extent, other.extent);
  }
  return relation.links.empty() ? std::nullopt : std::optional(relation);
}

}  // namespace edgesmith::ops
