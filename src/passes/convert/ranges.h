// SPDX-License-Identifier: Apache-2.0
// Which numbers of a model a smaller float type cannot hold.
#pragma once

#include <string>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/ir/graph.h"
#include "edgesmith/passes/pass.h"

namespace edgesmith::passes::convert {

/// Part of the largest number of a type that numbers seen on samples may take: others may be larger.
inline constexpr double kSeenShare = 0.5;

/// By value id: why the value must stay as it is when the others become `to`, a half type; "" where it need not.
/// Constants are judged by their numbers. Other values, for float16, by what they reach on the calibration data;
/// without those, what is computed from a constant beyond the range counts as beyond it, up to the operator that brings
/// it back (Softmax, Clip, ...). Infinities are no obstacle: both types have them. For float16 sums of codes and the
/// scales of the run stay, too, up to the product of the two. Errors: those of running the
/// samples.
Result<std::vector<std::string>> find_beyond(const ir::Graph& graph, ir::DType to, PassContext& context);

}  // namespace edgesmith::passes::convert
