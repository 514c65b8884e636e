// SPDX-License-Identifier: Apache-2.0
// How the channels of an operator's result hang together with those of its operands. Removing dead channels and
// structured pruning are graph algorithms over this one relation.
//
// A *slice* of a value is everything at one index along one axis: a channel, when the axis is the channel axis.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace edgesmith::ops {

/// Slices of one axis that go together, in `count` units: unit u is the slices first + (o * count + u) * inner + i for
/// every o < outer and i < inner. So an axis that is the product of others is seen as [outer, count, inner].
struct SliceUnits {
  int64_t first = 0, outer = 1, inner = 1;

  bool single() const { return outer == 1 && inner == 1; }
  int64_t num_slices(int64_t count) const { return outer * count * inner; }
  /// The slices of a unit, ascending.
  std::vector<int64_t> of(int64_t unit, int64_t count) const;
};

/// Unit u of the slices of `operand` along `axis` goes into unit u of those of result `output` and into no other slice.
/// Several links of one operand are alternatives: they name different axes.
struct SliceLink {
  int operand = 0;
  int axis = 0;
  SliceUnits to = {}, from = {};  ///< of the result, of the operand
  int64_t count = 0;              ///< units; 0: as many as the operand has slices, where that is known
  int output = 0;
};

/// Slice m of the result is a sum over all slices of operand `input`, weighted by slice m of operand `weight`, plus
/// element m of operand `bias`.
struct Mixing {
  int input = 0, input_axis = 1;
  int weight = 1, weight_in_axis = 1, weight_out_axis = 0;
  int bias = -1;  ///< -1: the operator has none; the operand may be absent all the same
  /// Every result sums the same weights times its inputs; not so where padding or a stride leaves some of them out.
  bool uniform = true;
};

/// What the slices of the results along one axis are made of: of a node with several outputs, of each that has a link.
/// Operands without a link are read by every slice alike (bounds, axes, what broadcasts).
struct ChannelRelation {
  std::vector<SliceLink> links;
  std::optional<Mixing> mixing;
};

}  // namespace edgesmith::ops
