// SPDX-License-Identifier: Apache-2.0
// Channel relations that many operators share.
#pragma once

#include "edgesmith/ops/channels.h"
#include "edgesmith/ops/op_info.h"

namespace edgesmith::ops {

/// Slice s of the result is made of slice s of operand 0, along any axis.
std::optional<ChannelRelation> same_slices(const ir::Node& node, int axis);
/// The same along the sample and channel axes only: pools.
std::optional<ChannelRelation> same_planes(const ir::Node& node, int axis);
/// numpy broadcasting: of every operand that is not stretched along the axis.
std::optional<ChannelRelation> broadcast_slices(const ir::Node& node, int axis);
/// The same along the axes before attribute `axis` (default -1), from which on elements are normalized together.
std::optional<ChannelRelation> slices_before_axis(const ir::Node& node, int axis);
/// Operand 0 [N, C, ..], `groups` groups of whose channels stay together, and the other operands [C].
std::optional<ChannelRelation> grouped_slices(const ir::Node& node, int axis, int64_t groups);
/// Reduction axes (operand 1) leave the others in place.
std::optional<ChannelRelation> kept_slices(const ir::Node& node, int axis);
/// Along an axis whose size does not change: what Pad, Slice and Resize leave alone.
std::optional<ChannelRelation> untouched_slices(const ir::Node& node, int axis, bool touched);
/// The same elements in other dims (Reshape, Flatten): an axis that is one factor of an operand's axis, or that has one
/// of the operand's as a factor. One link for each of the operand's axes that is so.
std::optional<ChannelRelation> reshaped_slices(const ir::Node& node, int axis);

/// The size along `axis`, where known.
std::optional<int64_t> size_along(const ir::Value& value, int axis);

}  // namespace edgesmith::ops
