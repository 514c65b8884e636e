// SPDX-License-Identifier: Apache-2.0
// What quantize_linear and dequantize_linear share: which scale belongs to which element.
//
// A scale is one number (per tensor), one for each index on attribute `axis` (default 1), or, with attribute block_size
// B > 0, one for B consecutive indices on that axis and each index on the others.
#pragma once

#include <cstdint>

#include "edgesmith/ops/op_info.h"

namespace edgesmith::ops {

/// From flat element positions to flat scale positions.
struct ScaleIndex {
  int64_t channels = 1;  ///< indices on the axis; 1 for per-tensor
  int64_t inner = 1;     ///< elements between two indices on the axis
  int64_t block = 0;     ///< indices a block; 0 when not blocked
  int64_t blocks = 1;    ///< blocks along the axis

  int64_t operator()(int64_t element) const {
    const int64_t channel = element / inner % channels;
    if (block == 0) return channel;
    return (element / inner / channels * blocks + channel / block) * inner + element % inner;
  }
};

/// How the scales of dims `scale` belong to a tensor of dims `x`. Errors: invalid when they do not fit.
Result<ScaleIndex> scale_index(const ir::Node& node, const ir::Dims& x, const ir::Dims& scale);

/// Checks scale against zero point (null: absent): same dims. Errors: invalid.
Status check_zero_point(const ir::Tensor& scale, const ir::Tensor* zero_point);

}  // namespace edgesmith::ops
