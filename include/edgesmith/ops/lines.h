// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "edgesmith/base/result.h"
#include "edgesmith/ir/graph.h"

namespace edgesmith::ops {

/// The lines of a tensor along which softmax, log_softmax and hardmax work: `outer` * `inner` of them, `length`
/// elements at distance `inner` each.
struct Lines {
  int64_t outer = 1, length = 1, inner = 1;
};

/// Errors: invalid when the axis is out of range.
Result<Lines> lines_of(const ir::Node& node, const ir::Dims& dims);

}  // namespace edgesmith::ops
