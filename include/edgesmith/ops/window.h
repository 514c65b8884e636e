// SPDX-License-Identifier: Apache-2.0
// The geometry of sliding windows: what strides, pads, dilations, auto_pad, ceil_mode and output_shape of a convolution
// or pool come to for a given input. One place, so that the reference, the fast kernels and shape inference agree.
#pragma once

#include <cstdint>

#include "edgesmith/base/result.h"
#include "edgesmith/ir/graph.h"

namespace edgesmith::ops {

/// A window over the spatial axes, everything resolved. All lists have one entry a spatial axis.
///
/// conv, pools: output o reads inputs o * stride + k * dilation - pad_begin, k = 0 .. kernel - 1.
/// conv_transpose: input i adds to outputs i * stride + k * dilation - pad_begin; pads_end is negative where
/// output_shape asks for more than is reached.
struct Window {
  ir::Dims input, kernel, strides, dilations, pads_begin, pads_end, output;

  /// Positions that the dilated kernel covers along `axis`.
  int64_t extent(size_t axis) const { return (kernel[axis] - 1) * dilations[axis] + 1; }
};

/// Checks the window attributes that the node has (kernel_shape, strides, dilations, pads, auto_pad, ceil_mode,
/// output_padding, output_shape): lengths that fit `spatial_rank` (< 0: not known, then each other), positive numbers,
/// numbers small enough that nothing overflows. Errors: invalid.
Status check_window(const ir::Node& node, int spatial_rank);

/// The window of a conv (`kernel` from its weight) or pool (from kernel_shape) over `input` spatial dims. Errors:
/// invalid when the kernel does not fit or an attribute has the wrong length.
Result<Window> resolve_window(const ir::Node& node, const ir::Dims& input, const ir::Dims& kernel);

/// The same for conv_transpose.
Result<Window> resolve_transposed_window(const ir::Node& node, const ir::Dims& input, const ir::Dims& kernel);

/// Spatial dims of the output with symbols: a dim that the window keeps (stride 1, "same" padding) stays the symbol
/// that it is; unknown otherwise. `input` and `kernel` have one length.
Result<ir::Shape> infer_window(const ir::Node& node, const ir::Shape& input, const ir::Shape& kernel);
Result<ir::Shape> infer_transposed_window(const ir::Node& node, const ir::Shape& input, const ir::Shape& kernel);

}  // namespace edgesmith::ops
