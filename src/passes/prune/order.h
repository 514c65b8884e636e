// SPDX-License-Identifier: Apache-2.0
// Which channels stand side by side decides what a pattern of N of every M neighbours costs: four channels that matter
// lose two, two that matter beside two that do not lose nothing. Channels can stand in any order.
#pragma once

#include <vector>

#include "passes/prune/masks.h"

namespace edgesmith::passes::prune {

/// A layer that will take a pattern, and what each of its weights costs (scores.h), comparable between layers.
struct PatternLayer {
  const Layer* layer = nullptr;
  std::vector<double> scores;  ///< [outputs][width]
};

/// Puts the channels of the graph into the order in which the patterns of these layers cost least, as far as exchanges
/// of two coupled channels find it (Pool and Yu 2021, "Channel permutations for N:M sparsity"), the results of the
/// model excepted. Answers stay the same, but for the order of sums. Weights of the layers must be read anew when true
/// is returned; false: nothing changed. The result depends on the arguments alone. Errors: those of type inference.
Result<bool> order_channels(ir::Graph& graph, const Pattern& pattern, const std::vector<PatternLayer>& layers);

}  // namespace edgesmith::passes::prune
