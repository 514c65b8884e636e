// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "runtime/native/isa/epilogue.h"

namespace {

using edgesmith::runtime::native::ColumnSums;
using edgesmith::runtime::native::PlaneCopy;

inline void fill_run(float* out, int64_t count, Vec value) {
  for_vectors(count, [&](int64_t i, int n) { store_upto(out + i, value, n); });
}

// out[i] = in[i * stride]; nothing past the last one is read.
inline void copy_run(const float* in, int64_t stride, float* out, int64_t count) {
  if (stride == 1) {
    for_vectors(count, [&](int64_t i, int n) { store_upto(out + i, load_upto(in + i, n), n); });
  } else if (stride == 2 && kLanes > 1) {
    for_vectors(count, [&](int64_t i, int n) {
      const int low = 2 * n - 1 < kLanes ? 2 * n - 1 : kLanes, high = 2 * n - 1 - low;
      const Vec a = load_upto(in + 2 * i, low), b = high > 0 ? load_upto(in + 2 * i + kLanes, high) : set1(0);
      store_upto(out + i, even_numbers(a, b), n);
    });
  } else {
    for (int64_t i = 0; i < count; ++i) out[i] = in[i * stride];
  }
}

// Positions [begin, end) of a phase that lie inside the input.
inline void inside(int64_t phase, int64_t stride, int64_t pad, int64_t input, int64_t size, int64_t& begin,
                   int64_t& end) {
  const auto ceil_div = [](int64_t a, int64_t b) { return a >= 0 ? (a + b - 1) / b : -(-a / b); };
  const auto clamp = [](int64_t x, int64_t lo, int64_t hi) { return x < lo ? lo : x > hi ? hi : x; };
  begin = clamp(ceil_div(pad - phase, stride), 0, size);
  end = clamp(ceil_div(input + pad - phase, stride), begin, size);
}

// Two rows to rows of two, and back.
inline void join_pairs(const float* in, int64_t columns, int64_t in_row, float* out) {
  int64_t i = 0;
  for (; i + kLanes <= columns; i += kLanes) {
    Vec low, high;
    interleave(load(in + i), load(in + in_row + i), low, high);
    store(out + 2 * i, low);
    store(out + 2 * i + kLanes, high);
  }
  for (; i < columns; ++i) {
    out[2 * i] = in[i];
    out[2 * i + 1] = in[in_row + i];
  }
}
inline void split_pairs(const float* in, int64_t rows, float* out, int64_t out_row) {
  int64_t i = 0;
  for (; i + kLanes <= rows; i += kLanes) {
    const Vec a = load(in + 2 * i), b = load(in + 2 * i + kLanes);
    store(out + i, even_numbers(a, b));
    store(out + out_row + i, odd_numbers(a, b));
  }
  for (; i < rows; ++i) {
    out[i] = in[2 * i];
    out[out_row + i] = in[2 * i + 1];
  }
}

// Few rows or columns: along the longer axis.
inline void transpose_narrow(const float* in, int64_t rows, int64_t columns, int64_t in_row, float* out,
                             int64_t out_row) {
  if (rows < columns) {
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < columns; ++c) out[c * out_row + r] = in[r * in_row + c];
    }
  } else {
    for (int64_t c = 0; c < columns; ++c) {
      for (int64_t r = 0; r < rows; ++r) out[c * out_row + r] = in[r * in_row + c];
    }
  }
}

// Blocks of kLanes x kLanes numbers, turned in registers.
void transpose_matrix(const float* in, int64_t rows, int64_t columns, int64_t in_row, float* out, int64_t out_row,
                      const float* residual, const Epilogue& epilogue) {
  constexpr int64_t kNarrow = kLanes < 8 ? kLanes : kLanes / 4;
  if (residual == nullptr && kLanes > 1) {  // without one, numbers are moved as they are
    if (rows == 2 && out_row == 2) return join_pairs(in, columns, in_row, out);
    if (columns == 2 && in_row == 2) return split_pairs(in, rows, out, out_row);
    if (rows < kNarrow || columns < kNarrow) return transpose_narrow(in, rows, columns, in_row, out, out_row);
  }
  const VecEpilogue finish(epilogue);
  for (int64_t c = 0; c < columns; c += kLanes) {
    const int width = columns - c < kLanes ? static_cast<int>(columns - c) : kLanes;
    for (int64_t r = 0; r < rows; r += kLanes) {
      const int height = rows - r < kLanes ? static_cast<int>(rows - r) : kLanes;
      Vec v[kLanes];
      for (int i = 0; i < kLanes; ++i) v[i] = i < height ? load_upto(in + (r + i) * in_row + c, width) : set1(0);
      transpose(v);
      for (int i = 0; i < width; ++i) {
        const int64_t at = (c + i) * out_row + r;
        if (residual != nullptr) v[i] = finish(add(v[i], load_upto(residual + at, height)));
        store_upto(out + at, v[i], height);
      }
    }
  }
}

void lay_out_plane(const PlaneCopy& c) {
  const Vec fill = set1(c.fill);
  float* plane = c.plane;
  for (int64_t p = 0; p < c.num_row_phases; ++p) {
    const int64_t row_phase = c.row_phases[p];
    int64_t first_row, end_row;
    inside(row_phase, c.stride_y, c.pad_top, c.height, c.rows, first_row, end_row);
    for (int64_t q = 0; q < c.num_column_phases; ++q) {
      int64_t first, end;
      inside(c.column_phases[q], c.stride_x, c.pad_left, c.width, c.pitch, first, end);
      fill_run(plane, first_row * c.pitch, fill);
      plane += first_row * c.pitch;
      for (int64_t r = first_row; r < end_row; ++r, plane += c.pitch) {
        const int64_t row = (r * c.stride_y + row_phase - c.pad_top) * c.width + c.column_phases[q] - c.pad_left;
        for (int64_t i = 0; i < first; ++i) plane[i] = c.fill;
        if (first < end) copy_run(c.input + row + first * c.stride_x, c.stride_x, plane + first, end - first);
        for (int64_t i = end; i < c.pitch; ++i) plane[i] = c.fill;
      }
      fill_run(plane, (c.rows - end_row) * c.pitch, fill);
      plane += (c.rows - end_row) * c.pitch;
    }
  }
}

void sum_columns(const ColumnSums& s) {
  constexpr int64_t kKept = 16;  // masks of the taps of a row, the same for all rows
  for_vectors(s.out_width, [&](int64_t x, int n) {
    const auto mask_of = [&](int64_t kx) {
      const int64_t column = x + s.pad_left - kx * s.dilation_x;
      return mask_between(-column, s.width - column);
    };
    Mask masks[kKept];
    for (int64_t kx = 0; kx < s.kernel_w && kx < kKept; ++kx) masks[kx] = mask_of(kx);
    for (int64_t y = 0; y < s.out_height; ++y) {
      Vec sum = set1(s.start);
      for (int64_t ky = 0; ky < s.kernel_h; ++ky) {
        const int64_t row = y + s.pad_top - ky * s.dilation_y;
        if (row < 0 || row >= s.height) continue;
        const float* taps = s.columns + ky * s.kernel_w * s.step + row * s.width + x + s.pad_left;
        for (int64_t kx = 0; kx < s.kernel_w; ++kx, taps += s.step - s.dilation_x) {
          sum = add(sum, load_masked(taps, kx < kKept ? masks[kx] : mask_of(kx)));
        }
      }
      store_upto(s.out + y * s.out_width + x, sum, n);
    }
  });
}

}  // namespace
