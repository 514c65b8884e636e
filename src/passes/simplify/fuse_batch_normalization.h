// SPDX-License-Identifier: Apache-2.0
// A BatchNormalization that the layer before it can do by itself.
#pragma once

#include "edgesmith/ir/graph.h"

namespace edgesmith::passes {

/// Folds `node`, a BatchNormalization with constant statistics, into the Conv, ConvTranspose or Gemm that only it
/// reads, and erases it. False, and nothing done: it is none, or the layer's weight is not its alone.
bool fuse_batch_normalization(ir::Graph& graph, ir::Node& node);

/// Whether fuse_batch_normalization() would fold `node`.
bool folds_into_layer(ir::Node& node);

}  // namespace edgesmith::passes
