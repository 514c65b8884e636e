// SPDX-License-Identifier: Apache-2.0
// Zeros among the weights of layers, from calibration data alone: no labels, no gradients.
//
//   order      channels side by side whose pattern costs least                        order.cc
//   inputs     second moments of what the weights of every layer meet, in one sweep     quantize/observe.cc
//   scores     what removing each weight or block costs, by a criterion                 scores.cc, obs.cc
//   masks      the cheapest go: over all layers, a layer at a time, or N of every M     masks.cc
//   repair     the weights that are left make up for those that went, layer by layer    repair.cc
//
// With the criterion `obs` scores are output errors. Divided by the power of the layer's output they compare between
// layers, and the cheapest of all layers together are the budgets with the least sum of relative errors. A layer that
// does not compete with others is masked when it is repaired, from the same moments, so that the sweep before is saved.
// Weights that are zero already are a mask, and stay.
#pragma once

#include <vector>

#include "edgesmith/passes/pass.h"

namespace edgesmith::passes::prune {

/// Prunes the layers that `selected` names by node id, to a sparsity, a pattern or blocks. Errors: usage (weights that
/// are compressed already, no calibration data), invalid (weights that are no numbers), those of the runs.
Result<Change> zero_weights(ir::Graph& graph, const Options& options, const std::vector<bool>& selected,
                            PassContext& context);

}  // namespace edgesmith::passes::prune
