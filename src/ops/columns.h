// SPDX-License-Identifier: Apache-2.0
// Convolutions as matrix products: the taps of a window (its kernel positions) become the rows of a matrix with one
// column an output position ("im2col"; Chellapilla, Puri, Simard, "High performance convolutional neural networks for
// document processing", 2006). The transposed convolution adds the columns back to where they came from.
#pragma once

#include <algorithm>
#include <vector>

#include "edgesmith/ir/type.h"
#include "edgesmith/ops/window.h"

namespace edgesmith::ops {

/// Calls run(column, input, count, stride) for every run of outputs along the last axis that reads existing inputs:
/// elements column + i of the matrix [taps, outputs] belong to inputs input + i * stride, i < count.
template <typename Run>
void for_each_column_run(const Window& window, Run&& run) {
  const size_t last = window.kernel.size() - 1;
  const int64_t taps = ir::num_elements(window.kernel), outputs = ir::num_elements(window.output);
  const int64_t length = window.output[last];
  if (outputs <= 0 || ir::num_elements(window.input) <= 0) return;
  std::vector<int64_t> shift(last + 1);  // input position of output 0 along each axis
  for (int64_t tap = 0; tap < taps; ++tap) {
    for (int64_t axis = static_cast<int64_t>(last), rest = tap; axis >= 0; --axis) {
      const auto a = static_cast<size_t>(axis);
      shift[a] = rest % window.kernel[a] * window.dilations[a] - window.pads_begin[a];
      rest /= window.kernel[a];
    }
    const int64_t stride = window.strides[last];
    const int64_t first = std::max<int64_t>(0, shift[last] >= 0 ? 0 : (-shift[last] + stride - 1) / stride);
    const int64_t room = window.input[last] - 1 - shift[last];
    const int64_t end = room < 0 ? 0 : std::min(length, room / stride + 1);
    if (first >= end) continue;
    for (int64_t row = 0; row < outputs / length; ++row) {
      int64_t base = 0, scale = window.input[last];
      bool inside = true;
      for (int64_t axis = static_cast<int64_t>(last) - 1, rest = row; axis >= 0 && inside; --axis) {
        const auto a = static_cast<size_t>(axis);
        const int64_t position = rest % window.output[a] * window.strides[a] + shift[a];
        rest /= window.output[a];
        inside = position >= 0 && position < window.input[a];
        base += position * scale;
        scale *= window.input[a];
      }
      if (inside) run(tap * outputs + row * length + first, base + shift[last] + first * stride, end - first, stride);
    }
  }
}

/// columns[tap, output] = the input that the tap sees there, 0 in the padding. `input` is one channel.
template <typename T>
void gather_columns(const Window& window, const T* input, T* columns) {
  std::fill_n(columns, ir::num_elements(window.kernel) * ir::num_elements(window.output), T{0});
  for_each_column_run(window, [&](int64_t column, int64_t position, int64_t count, int64_t stride) {
    for (int64_t i = 0; i < count; ++i) columns[column + i] = input[position + i * stride];
  });
}

/// The transpose of gather_columns: adds every column element to the input that it would have come from.
template <typename T>
void add_columns(const Window& window, const T* columns, T* input) {
  for_each_column_run(window, [&](int64_t column, int64_t position, int64_t count, int64_t stride) {
    for (int64_t i = 0; i < count; ++i) input[position + i * stride] += columns[column + i];
  });
}

}  // namespace edgesmith::ops
