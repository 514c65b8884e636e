// SPDX-License-Identifier: Apache-2.0
// Windows of stride 1 over input planes that are read where they lie: no copy with padding is made, lanes whose input
// would be padding are masked.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/native/padded_planes.h"
#include "runtime/native/table.h"

namespace edgesmith::runtime::native {

/// How vectors of neighbouring outputs of a plane read an input plane: vector by vector, those of a row, row by row.
struct MaskedTaps {
  std::vector<int64_t> offsets;  ///< of each tap, from the place in the input where an output's row and column are
  std::vector<uint16_t> masks;   ///< [vector][tap]: bit i: lane i has an output whose tap lies inside the plane
  const uint16_t* of_vector(int64_t index) const { return masks.data() + index * static_cast<int64_t>(offsets.size()); }
};

/// Whether planes of this layout can be read so.
bool can_mask_taps(const PlaneLayout& layout);

/// Rows of outputs as they are read: one that holds the whole plane where outputs are as wide as inputs, so that a
/// vector may begin in one row of the image and end in the next.
int64_t masked_rows(const PlaneLayout& layout);

/// For vectors of `lanes`, at most 16, of a layout that can. Takes time in proportion to outputs times taps.
MaskedTaps mask_taps(const PlaneLayout& layout, int64_t lanes);

}  // namespace edgesmith::runtime::native
