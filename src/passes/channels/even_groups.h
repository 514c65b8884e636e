// SPDX-License-Identifier: Apache-2.0
// A convolution with groups as a layer that mixes channels: the alternative to whole groups that go.
//
//   %y = conv %x, %w {group=3}      %w f32[6,4,3,3]: of 12 input channels 4 a group, of 6 results 2
//
// Groups stay as many and as wide as each other when the same channels of every group go: input channels 1, 5 and 9,
// results 0, 2 and 4. A unit is a channel of every group then; the weight loses a column, or a row of every group.
#pragma once

#include <cstdint>
#include <optional>

#include "edgesmith/ir/graph.h"
#include "edgesmith/ops/channels.h"

namespace edgesmith::passes {

/// What is done to convolutions with groups: `whole` groups go, or the same channels of every group.
enum class GroupedConvs { whole, even };

/// Groups whose channels a layer mixes apart from each other's; 1 but for a Conv.
int64_t mixing_groups(const ir::Node& layer);
/// How a Conv with groups mixes the channels of each; none where a group has one input or one result, and for
/// other nodes. The weight holds the input channels of one group.
std::optional<ops::Mixing> even_mixing(const ir::Node& node);

}  // namespace edgesmith::passes
