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

// Positions [begin, end) of a phase that lie inside the input.
void inside(int64_t phase, int64_t stride, int64_t pad, int64_t input, int64_t size, int64_t& begin, int64_t& end) {
  const auto ceil_div = [](int64_t a, int64_t b) { return a >= 0 ? (a + b - 1) / b : -(-a / b); };
  begin = std::clamp<int64_t>(ceil_div(pad - phase, stride), 0, size);
  end = std::clamp<int64_t>(ceil_div(input + pad - phase, stride), begin, size);
}

// Rows are short: loops that the compiler unrolls beat calls of memcpy and memset.
void fill_run(float* out, int64_t count, float value) {
  for (int64_t i = 0; i < count; ++i) out[i] = value;
}

void copy_run(const float* in, int64_t stride, float* out, int64_t count) {
  if (stride == 1) {
    for (int64_t i = 0; i < count; ++i) out[i] = in[i];
  } else if (stride == 2) {
    for (int64_t i = 0; i < count; ++i) out[i] = in[2 * i];
  } else {
    for (int64_t i = 0; i < count; ++i) out[i] = in[i * stride];
  }
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

void PlaneLayout::copy(const float* input, float* plane, float fill) const {
  for (const int64_t row_phase : row_phases) {
    int64_t first_row, end_row;
    inside(row_phase, stride_y, pad_top, height, rows, first_row, end_row);
    for (const int64_t column_phase : column_phases) {
      int64_t first, end;
      inside(column_phase, stride_x, pad_left, width, pitch, first, end);
      fill_run(plane, first_row * pitch, fill);
      plane += first_row * pitch;
      for (int64_t r = first_row; r < end_row; ++r, plane += pitch) {
        const int64_t row = (r * stride_y + row_phase - pad_top) * width + column_phase - pad_left;
        fill_run(plane, first, fill);
        if (first < end) copy_run(input + row + first * stride_x, stride_x, plane + first, end - first);
        fill_run(plane + end, pitch - end, fill);
      }
      fill_run(plane, (rows - end_row) * pitch, fill);
      plane += (rows - end_row) * pitch;
    }
  }
}

}  // namespace edgesmith::runtime::native
