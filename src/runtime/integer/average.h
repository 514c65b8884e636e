// SPDX-License-Identifier: Apache-2.0
// What average_pool and global_average_pool on codes share with the kernels that are bit-exact to them.
#pragma once

#include "edgesmith/ops/window.h"
#include "runtime/integer/requantize.h"

namespace edgesmith::runtime::integer {

/// The requantization of a sum of `count` codes.
Requantize mean_of(const Form& form, int64_t count);

/// One axis of a window: the inputs begin + i * step, i < inside, and how many positions count for the mean.
struct AverageSpan {
  int64_t begin, step, inside, counted;
};
AverageSpan average_span(const ops::Window& window, size_t axis, int64_t output, bool count_pads);

/// The window of the node over planes of `spatial` dims; for a global pool the whole plane.
Result<ops::Window> average_window(const ir::Node& node, const ir::Dims& spatial);

}  // namespace edgesmith::runtime::integer
