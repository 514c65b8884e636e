// SPDX-License-Identifier: Apache-2.0
// What depth_to_space and space_to_depth share: [N, C, H, W] and squares of blocksize x blocksize positions.
#pragma once

#include <vector>

#include "edgesmith/ops/op_info.h"

namespace edgesmith::ops {

/// The size of axis d (1 to 3) of the result, from that of the input. Errors: invalid.
using ResizeAxis = Result<ir::Dim> (*)(const ir::Node& node, size_t d, const ir::Dim& dim);

/// Errors: invalid, for a blocksize that is none, or an input of another rank than 4.
Status verify_blocks(const ir::Node& node);
Result<std::vector<ir::Type>> infer_blocks(const ir::Node& node, ResizeAxis resize);
/// The dims of the result for that input. Errors: invalid.
Result<ir::Dims> block_dims(const ir::Node& node, const ir::Tensor& x, ResizeAxis resize);

}  // namespace edgesmith::ops
