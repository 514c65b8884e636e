// SPDX-License-Identifier: Apache-2.0
#include "runtime/native/masked_taps.h"

#include <algorithm>

namespace edgesmith::runtime::native {

bool can_mask_taps(const PlaneLayout& layout) { return layout.stride_y == 1 && layout.stride_x == 1; }

int64_t masked_rows(const PlaneLayout& layout) { return layout.out_width == layout.width ? 1 : layout.out_height; }

MaskedTaps mask_taps(const PlaneLayout& layout, int64_t lanes) {
  struct Shift {
    int64_t y, x;
  };
  MaskedTaps out;
  std::vector<Shift> shifts;
  for (const int64_t tap : layout.taps) {
    const Shift shift = {tap / layout.pitch - layout.pad_top, tap % layout.pitch - layout.pad_left};
    shifts.push_back(shift);
    out.offsets.push_back(shift.y * layout.width + shift.x);
  }
  const int64_t pixels = layout.out_height * layout.out_width, width = pixels / masked_rows(layout);
  for (int64_t row = 0; row < pixels; row += width) {
    for (int64_t first = row; first < row + width; first += lanes) {
      const int64_t count = std::min(lanes, row + width - first);
      const int64_t top = first / layout.out_width, left = first % layout.out_width;
      for (const Shift& shift : shifts) {
        uint32_t mask = 0;
        int64_t y = top + shift.y, x = left + shift.x;
        for (int64_t i = 0; i < count; ++i, ++x) {
          if (x == layout.out_width + shift.x) x = shift.x, ++y;
          if (y >= 0 && y < layout.height && x >= 0 && x < layout.width) mask |= 1U << i;
        }
        out.masks.push_back(static_cast<uint16_t>(mask));
      }
    }
  }
  return out;
}

}  // namespace edgesmith::runtime::native
