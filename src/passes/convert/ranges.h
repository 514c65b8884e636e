// SPDX-License-Identifier: Apache-2.0
// Which numbers of a model a smaller float type cannot hold.
#pragma once

#include <string>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/ir/graph.h"
#include "edgesmith/passes/pass.h"

namespace edgesmith::passes::convert {

/// Largest magnitude of a float16, and the part of it that numbers seen on samples may take: others may be larger.
inline constexpr double kLargestHalf = 65504, kSeenShare = 0.5;

/// By value id: why the value must stay float32 when the others become float16; "" where it need not. Constants are
/// judged by their numbers. Other values by what they reach on the calibration data; without those, what is computed
/// from a constant beyond the range counts as beyond it, up to the operator that brings it back (Softmax, Clip, ...).
/// Infinities are no obstacle: float16 has them. Errors: those of running the samples.
Result<std::vector<std::string>> find_beyond_half(const ir::Graph& graph, PassContext& context);

}  // namespace edgesmith::passes::convert
