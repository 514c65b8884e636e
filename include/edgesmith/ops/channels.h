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

/// Slice s of `operand` along `axis` goes into slices [first + s * repeat, first + (s + 1) * repeat) of the result and
/// into no other.
struct SliceLink {
  int operand = 0;
  int axis = 0;
  int64_t first = 0, repeat = 1;
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

/// What the slices of the result along one axis are made of. Operands without a link are read by every slice alike
/// (bounds, axes, what broadcasts).
struct ChannelRelation {
  std::vector<SliceLink> links;
  std::optional<Mixing> mixing;
};

}  // namespace edgesmith::ops
