// SPDX-License-Identifier: Apache-2.0
// Coarser scales for weights that were codes before the ranges of values were known.
#pragma once

#include <cstdint>
#include <vector>

#include "edgesmith/ir/graph.h"

namespace edgesmith::passes::quantize {

/// The affine `weight` at scales of at least `smallest` (by channel along `axis`), its codes rounded anew. Codebooks
/// stay codebooks: entries that only such channels read are scaled down with them; beside others a channel takes the
/// nearest entries, and where its codebook has no zero it gets one. Only 256 entries without a zero leave no room: then
/// the codes are dense. Invalid tensor: no scale is too small, or the scales are those of blocks or of another axis.
ir::Tensor with_raised_scales(const ir::Tensor& weight, int axis, const std::vector<double>& smallest);

/// Raises the scales of `node`'s weights, which are codes, until its bias fits 30 bits beside an input of that scale: a
/// filter whose weights decayed to nothing may have a bias of any size. True when any had to be raised.
bool make_room_for_bias(ir::Graph& graph, ir::Node& node, double input_scale);

}  // namespace edgesmith::passes::quantize
