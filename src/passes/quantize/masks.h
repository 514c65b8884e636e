// SPDX-License-Identifier: Apache-2.0
// Attention masks: numbers such as -inf, -3.4e38 or -65504 that switch scores off before a Softmax. A scale that
// covers them leaves no codes for the scores, so what works on them stays float.
#pragma once

#include <vector>

#include "edgesmith/ir/graph.h"
#include "passes/quantize/range.h"

namespace edgesmith::passes::quantize {

/// Numbers down to this, on their way to a Softmax, are a mask's: exp(-1e4) is zero in any float, and scores that are
/// meant as numbers are smaller.
inline constexpr float kMask = -1e4F;

/// By node id: the nodes that make or read a value with a mask's numbers in it. `seen` are ranges by value id.
std::vector<bool> nodes_on_masks(const ir::Graph& graph, const std::vector<Range>& seen);

}  // namespace edgesmith::passes::quantize
