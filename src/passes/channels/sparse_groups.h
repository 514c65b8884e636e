// SPDX-License-Identifier: Apache-2.0
// Patterns of zeros that kernels for sparse weights look for: they count from channel 0, so that taking out single
// channels would break them.
#pragma once

#include "passes/channels/layer_weights.h"

namespace edgesmith::passes {

/// How many neighbouring channels may only go together; 1: each by itself.
struct SparseGroups {
  int64_t outputs = 1, inputs = 1;
};
/// Inputs in fours or eights where half of them are zero (2:4, 4:8), and what is zero in blocks of two or four outputs
/// or inputs throughout. Channels of nothing but zeros make no pattern, nor do zeros of less than 5 % of the weights,
/// or so few weights that it may be chance.
SparseGroups sparse_groups(const LayerWeights& weights);

}  // namespace edgesmith::passes
