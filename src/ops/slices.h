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
/// Reduction axes (operand 1) leave the others in place.
std::optional<ChannelRelation> kept_slices(const ir::Node& node, int axis);
/// Along an axis whose size does not change: what Pad, Slice and Resize leave alone.
std::optional<ChannelRelation> untouched_slices(const ir::Node& node, int axis, bool touched);
/// Reshape and Flatten: the channels of x [N, C, ..] along axis 1 of a result [N, C, ..] or, each as many times as it
/// has elements, [N, C * ..].
std::optional<ChannelRelation> reshaped_slices(const ir::Node& node, int axis);

/// The size along `axis`, where known.
std::optional<int64_t> size_along(const ir::Value& value, int axis);

}  // namespace edgesmith::ops
