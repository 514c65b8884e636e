// SPDX-License-Identifier: Apache-2.0
// Input planes laid out so that sliding windows become plain offsets.
#pragma once

#include <cstdint>
#include <vector>

#include "edgesmith/ops/window.h"
#include "runtime/native/table.h"

namespace edgesmith::runtime::native {

/// A two-dimensional window over planes of one size (one-dimensional windows get a height of one).
///
/// Each plane is padded and, for strides above one, cut into phases (the rows and columns that share a remainder). Then
/// output (y, x) reads tap t at y * pitch + x + taps[t], whatever the stride, dilation and padding: neighbours among
/// the outputs are neighbours in memory for every tap.
struct PlaneLayout {
  int64_t height = 0, width = 0;  ///< of an input plane
  int64_t out_height = 0, out_width = 0;
  int64_t stride_y = 1, stride_x = 1, pad_top = 0, pad_left = 0;
  std::vector<int64_t> row_phases, column_phases;  ///< remainders that some tap reads
  int64_t rows = 0, pitch = 0;                     ///< of one phase
  bool in_place = false;                           ///< the input plane itself has this layout
  std::vector<int64_t> taps;                       ///< offset of each tap, row-major over the kernel

  /// Floats of one laid out plane.
  int64_t plane() const { return static_cast<int64_t>(row_phases.size() * column_phases.size()) * rows * pitch; }
  /// One past the last position that an output occupies.
  int64_t span() const { return (out_height - 1) * pitch + out_width; }
  /// Lays out one plane; padding is `fill`.
  void copy(const NativeTable& table, const float* input, float* plane, float fill) const;
};

/// For a window of one or two spatial axes.
PlaneLayout layout_planes(const ops::Window& window);

}  // namespace edgesmith::runtime::native
