// SPDX-License-Identifier: Apache-2.0
// Images of codes, channels last, laid out so that every window lies inside: a band of padded rows at a time.
//
// With `split`, the columns of a row lie in `stride_x` runs, by their remainder: outputs that are neighbours then read
// neighbours, whatever the stride:   columns 0 1 2 3 4 5 6   =>   0 2 4 6 | 1 3 5 _   (stride 2)
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "edgesmith/ops/window.h"
#include "runtime/native/int_table.h"

namespace edgesmith::runtime::native {

/// A window of one or two spatial axes; one axis has a height of 1.
struct PlaneWindow {
  int64_t height, width, out_height, out_width, kernel_height, kernel_width;
  int64_t stride_y, stride_x, dilation_y, dilation_x, pad_top, pad_left;
};
PlaneWindow plane_window(const ops::Window& window);

/// How codes are stored where products read them.
struct StoredCodes {
  int64_t element_bytes = 1;  ///< 2: widened to 16 bits
  uint8_t flip = 0;           ///< stored number = code ^ flip, taken as unsigned
  uint8_t padding = 0;        ///< the stored number outside of the image
};

struct CodeBand {
  PlaneWindow window;
  StoredCodes codes;
  int64_t channels = 0;
  bool in_place = false;   ///< windows never leave the image, and it is stored as wanted: nothing to lay out
  int64_t runs = 1;        ///< runs of columns in a row
  int64_t run_pixels = 0;  ///< pixels of a run
  int64_t rows = 0;        ///< rows of output at a time
  int64_t bytes = 0;       ///< of scratch; 0 when in place

  /// Rows that `out_rows` rows of output read.
  int64_t rows_read(int64_t out_rows) const {
    return out_rows == 0 ? 0 : (out_rows - 1) * window.stride_y + (window.kernel_height - 1) * window.dilation_y + 1;
  }
  /// Bytes from the first pixel of the band to row y, column x (counted from the padding).
  int64_t at(int64_t y, int64_t x) const {
    return ((y * runs + x % runs) * run_pixels + x / runs) * channels * codes.element_bytes;
  }
  /// Writes what the rows of output `first` .. `first` + out_rows - 1 read.
  void lay_out(const IntTable& table, const uint8_t* image, int64_t first, int64_t out_rows, uint8_t* to) const;
};

/// A band, and where the taps (or rows of taps) of a window lie in it, for images of some size.
struct CodeGeometry {
  ir::Dims spatial;
  CodeBand band;
  std::vector<int64_t> taps;

  bool fits(const ir::Dims& input) const {
    return std::equal(input.begin() + 2, input.end(), spatial.begin(), spatial.end());
  }
};
/// The dims of operand 0 of a node without its batch (1 stands for it), when they are known: resolving a window takes
/// longer than a small convolution, so kernels do it once.
std::optional<ir::Dims> dims_of_one_sample(const ir::Node& node);

/// `slack`: bytes behind a band that may be read (they are not written).
CodeBand make_code_band(const PlaneWindow& window, const StoredCodes& codes, int64_t channels, bool split,
                        int64_t slack);

}  // namespace edgesmith::runtime::native
