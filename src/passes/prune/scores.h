// SPDX-License-Identifier: Apache-2.0
// What it costs to remove each weight, by one criterion, comparable between the weights of all layers.
#pragma once

#include <string>
#include <vector>

#include "edgesmith/base/thread_pool.h"
#include "passes/prune/masks.h"
#include "passes/quantize/layer_inputs.h"

namespace edgesmith::passes::prune {

/// Second moments of what a layer's weights meet, damped; by block of its LayerInputs.
using Moments = std::vector<std::vector<double>>;
/// Around the mean where the layer has a bias that can take the mean up.
Moments layer_moments(const Layer& layer, const quantize::LayerInputs& inputs);

/// Power of the layer's output that its weights give, summed over rows; by group of a convolution.
std::vector<double> output_power(const Layer& layer, const quantize::LayerInputs& inputs, const Moments& moments);

/// Divides errors by the power of their group and by the number of groups: channels of a depthwise convolution may be
/// of very different sizes, and what reads them makes up for that.
void make_relative(std::vector<double>& scores, const std::vector<double>& power);

/// Whether removing weights one by one, the rest refitted each time, takes no more than some ten seconds. Outputs that
/// lose their weights together (`together` of them) are one piece of work.
bool affordable(const Layer& layer, const quantize::LayerInputs& inputs, int together = 1);

/// By block of weights (masks.h); smaller ones go first. `magnitude`: sum of |w|. `lamp`: the block's share of the
/// squares of all that are at least as large in its layer, comparable between layers (Lee et al. 2021, "Layer-adaptive
/// sparsity for the magnitude-based pruning", arXiv 2010.07611). `wanda`: sum of w^2 E[x^2] (Sun et al. 2023, "A simple
/// and effective pruning approach for large language models"). `obs`: the output error that removing it adds when the
/// rows' other weights are refitted, in the order in which they go (obs.h); where that is too much work, what its
/// weights cost each alone. The first two need neither inputs nor moments.
std::vector<double> score_blocks(const Layer& layer, const Blocks& blocks, const BlockShape& shape,
                                 const std::string& criterion, const quantize::LayerInputs* inputs,
                                 const Moments& moments, bool one_by_one, ThreadPool& pool);

}  // namespace edgesmith::passes::prune
