// SPDX-License-Identifier: Apache-2.0
#include "runtime/native/padded_planes.h"

#include <algorithm>

namespace edgesmith::runtime::native {

namespace {

// The phases that the taps of one axis read, and how many positions of a phase.
struct AxisLayout {
  std::vector<int64_t> phases;
  std::vector<int64_t> phase_of_tap;  // index into `phases`
  std::vector<int64_t> shift_of_tap;
  int64_t size = 0;
};

AxisLayout layout_axis(int64_t kernel, int64_t stride, int64_t dilation, int64_t output) {
  AxisLayout axis;
  for (int64_t t = 0; t < kernel; ++t) {
    const int64_t phase = t * dilation % stride, shift = t * dilation / stride;
    const auto found = std::find(axis.phases.begin(), axis.phases.end(), phase);
    axis.phase_of_tap.push_back(found - axis.phases.begin());
    if (found == axis.phases.end()) axis.phases.push_back(phase);
    axis.shift_of_tap.push_back(shift);
    axis.size = std::max(axis.size, output + shift);
  }
  return axis;
}

}  // namespace

PlaneLayout layout_planes(const ops::Window& window) {
  const bool flat = window.input.size() == 1;
  const size_t x = flat ? 0 : 1;
  PlaneLayout out;
  out.height = flat ? 1 : window.input[0];
  out.out_height = flat ? 1 : window.output[0];
  out.stride_y = flat ? 1 : window.strides[0];
  out.pad_top = flat ? 0 : window.pads_begin[0];
  out.width = window.input[x];
  out.out_width = window.output[x];
  out.stride_x = window.strides[x];
  out.pad_left = window.pads_begin[x];
  const AxisLayout rows =
      flat ? layout_axis(1, 1, 1, 1) : layout_axis(window.kernel[0], out.stride_y, window.dilations[0], out.out_height);
  const AxisLayout columns = layout_axis(window.kernel[x], out.stride_x, window.dilations[x], out.out_width);
  out.row_phases = rows.phases;
  out.column_phases = columns.phases;
  out.rows = rows.size;
  out.pitch = columns.size;
  out.in_place = out.stride_y == 1 && out.stride_x == 1 && out.pad_top == 0 && out.pad_left == 0 &&
                 out.rows == out.height && out.pitch == out.width;
  const auto phase_columns = static_cast<int64_t>(columns.phases.size());
  for (size_t ky = 0; ky < rows.phase_of_tap.size(); ++ky) {
    for (size_t kx = 0; kx < columns.phase_of_tap.size(); ++kx) {
      const int64_t phase = rows.phase_of_tap[ky] * phase_columns + columns.phase_of_tap[kx];
      out.taps.push_back((phase * out.rows + rows.shift_of_tap[ky]) * out.pitch + columns.shift_of_tap[kx]);
    }
  }
  return out;
}

void PlaneLayout::copy(const NativeTable& table, const float* input, float* plane, float fill) const {
  table.lay_out_plane({input, plane, fill, height, width, stride_y, stride_x, pad_top, pad_left, row_phases.data(),
                       column_phases.data(), static_cast<int64_t>(row_phases.size()),
                       static_cast<int64_t>(column_phases.size()), rows, pitch});
}

}  // namespace edgesmith::runtime::native
