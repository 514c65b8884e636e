// SPDX-License-Identifier: Apache-2.0
// Random nets of the structures in which channels hang together in other ways than one by one.
#pragma once

#include <cstdint>

#include "edgesmith/ir/graph.h"

namespace edgesmith::testing {

/// Attention of several spellings, gated and plain MLPs, with and without residual adds and norms, on x f32[N,T,D].
/// Types are fresh.
ir::Graph random_transformer(uint64_t seed);

/// Grouped convolutions and transposed ones, channel shuffles, splits, grouped norms and moves between depth and space,
/// on x f32[N,4,8,8]. Types are fresh.
ir::Graph random_grouped_net(uint64_t seed);

}  // namespace edgesmith::testing
