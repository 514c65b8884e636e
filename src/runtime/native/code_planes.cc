// SPDX-License-Identifier: Apache-2.0
#include "runtime/native/code_planes.h"

#include <algorithm>
#include <cstring>

namespace edgesmith::runtime::native {

namespace {

// Rows written at a time: less than the second-level cache.
constexpr int64_t kBandBytes = 128 * 1024;

void fill(const StoredCodes& codes, uint8_t* to, int64_t count) {
  if (codes.element_bytes == 1) {
    std::memset(to, codes.padding, static_cast<size_t>(count));
  } else {
    std::fill_n(reinterpret_cast<int16_t*>(to), count, static_cast<int16_t>(codes.padding));
  }
}

}  // namespace

PlaneWindow plane_window(const ops::Window& window) {
  const bool line = window.input.size() == 1;
  const size_t x = line ? 0 : 1;
  const auto along_y = [&](const ir::Dims& list, int64_t missing) { return line ? missing : list[0]; };
  return {.height = along_y(window.input, 1),
          .width = window.input[x],
          .out_height = along_y(window.output, 1),
          .out_width = window.output[x],
          .kernel_height = along_y(window.kernel, 1),
          .kernel_width = window.kernel[x],
          .stride_y = along_y(window.strides, 1),
          .stride_x = window.strides[x],
          .dilation_y = along_y(window.dilations, 1),
          .dilation_x = window.dilations[x],
          .pad_top = along_y(window.pads_begin, 0),
          .pad_left = window.pads_begin[x]};
}

std::optional<ir::Dims> dims_of_one_sample(const ir::Node& node) {
  const ir::Type& type = node.input(0)->type();
  if (!type.shape || type.shape->size() < 3) return std::nullopt;
  ir::Dims dims = {1};
  for (size_t axis = 1; axis < type.shape->size(); ++axis) {
    if (!(*type.shape)[axis].known()) return std::nullopt;
    dims.push_back((*type.shape)[axis].value());
  }
  return dims;
}

CodeBand make_code_band(const PlaneWindow& w, const StoredCodes& codes, int64_t channels, bool split, int64_t slack) {
  CodeBand band;
  band.window = w;
  band.codes = codes;
  band.channels = channels;
  band.rows = w.out_height;
  if (w.out_height * w.out_width == 0) return band;
  const int64_t covered = (w.out_width - 1) * w.stride_x + (w.kernel_width - 1) * w.dilation_x + 1;
  const bool inside =
      w.pad_top == 0 && w.pad_left == 0 && band.rows_read(w.out_height) <= w.height && covered <= w.width;
  band.runs = split ? w.stride_x : 1;
  band.in_place = inside && band.runs == 1 && codes.element_bytes == 1 && codes.flip == 0;
  band.run_pixels = band.in_place ? w.width : (covered + band.runs - 1) / band.runs;
  if (band.in_place) return band;
  const int64_t row_bytes = std::max<int64_t>(1, band.runs * band.run_pixels * channels * codes.element_bytes);
  if (band.rows_read(w.out_height) * row_bytes > kBandBytes) {
    const int64_t room = kBandBytes / row_bytes - band.rows_read(1);
    band.rows = std::clamp<int64_t>(room / w.stride_y + 1, 1, w.out_height);
  }
  band.bytes = band.rows_read(band.rows) * row_bytes + slack;
  return band;
}

void CodeBand::lay_out(const IntTable& table, const uint8_t* image, int64_t first, int64_t out_rows,
                       uint8_t* to) const {
  const int64_t size = codes.element_bytes, top = first * window.stride_y - window.pad_top;
  const auto floor_div = [](int64_t a, int64_t b) { return a >= 0 ? a / b : -((-a + b - 1) / b); };
  for (int64_t y = top; y < top + rows_read(out_rows); ++y) {
    if (y < 0 || y >= window.height) {
      fill(codes, to, runs * run_pixels * channels);
      to += runs * run_pixels * channels * size;
      continue;
    }
    for (int64_t run = 0; run < runs; ++run) {
      // Pixel i of the run is column i * runs + run - pad_left of the image.
      const int64_t shift = run - window.pad_left;
      const int64_t left = std::clamp<int64_t>(-floor_div(shift, runs), 0, run_pixels);
      const int64_t right = std::clamp<int64_t>(-floor_div(shift - window.width, runs), left, run_pixels);
      fill(codes, to, left * channels);
      const uint8_t* from = image + (y * window.width + left * runs + shift) * channels;
      uint8_t* inside = to + left * channels * size;
      const int64_t step = runs == 1 ? (right - left) * channels : channels;
      for (int64_t i = left; i < right; i += runs == 1 ? right - left : 1) {
        if (size == 2) {
          table.widen(from, codes.flip, reinterpret_cast<int16_t*>(inside), step);
        } else if (codes.flip != 0) {
          table.flip_bytes(from, codes.flip, inside, step);
        } else {
          std::memcpy(inside, from, static_cast<size_t>(step));
        }
        from += step * runs;
        inside += step * size;
      }
      fill(codes, to + right * channels * size, (run_pixels - right) * channels);
      to += run_pixels * channels * size;
    }
  }
}

}  // namespace edgesmith::runtime::native
