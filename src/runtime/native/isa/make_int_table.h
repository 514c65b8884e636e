// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "runtime/native/isa/int_columns.h"
#include "runtime/native/isa/int_depthwise.h"
#include "runtime/native/isa/int_elementwise.h"
#include "runtime/native/isa/int_tile.h"

namespace {

constexpr edgesmith::runtime::native::IntTable make_int_table() {
  return {.lanes = kIntLanes,
          .vectors = kBestVectors,
          .exact_bytes = kExactBytes,
          .byte_offset = kByteOffset,
          .tiles = int_tiles,
          .depthwise = int_depthwise,
          .columns = int_columns,
          .column_windows = int_column_windows,
          .add = int_add,
          .max = int_max,
          .mean = int_mean,
          .quantize = int_quantize,
          .dequantize = int_dequantize,
          .flip_bytes = flip_bytes,
          .lookup = int_lookup,
          .gather_bytes = gather_bytes,
          .widen = widen};
}

}  // namespace
