// SPDX-License-Identifier: Apache-2.0
// All inner loops for the instruction set of the including file.
#pragma once

#include "runtime/native/isa/depthwise.h"
#include "runtime/native/isa/depthwise_window.h"
#include "runtime/native/isa/elementwise.h"
#include "runtime/native/isa/gemm_tile.h"
#include "runtime/native/isa/halves.h"
#include "runtime/native/isa/planes.h"
#include "runtime/native/isa/pool_window.h"
#include "runtime/native/isa/rows.h"
#include "runtime/native/isa/winograd.h"

namespace {

template <int kTaps>
constexpr edgesmith::runtime::native::WinogradLoops make_winograd_loops() {
  return {.weights = winograd_weights<kTaps>,
          .input = winograd_input<kTaps>,
          .output = winograd_output<kTaps>,
          .gradient = winograd_gradient<kTaps>,
          .image = winograd_image<kTaps>,
          .sums = winograd_sums<kTaps>};
}

constexpr edgesmith::runtime::native::NativeTable make_table() {
  return {.lanes = kLanes,
          .tile_vectors = kTileVectors,
          .nr = kTileColumns,
          .packed_rows = kPackedRows,
          .packed_vectors = kPackedVectors,
          .masks_taps = kMasksTaps,
          .gemm_tile = gemm_tile,
          .pack_panel = pack_panel,
          .lay_out_plane = lay_out_plane,
          .depthwise = depthwise,
          .depthwise_window = depthwise_window,
          .max_pool_window = pool_window<true>,
          .average_pool_window = pool_window<false>,
          .correlate = correlate,
          .sum_columns = sum_columns,
          .max_pool_gradient = max_pool_gradient,
          .block_rows = block_rows,
          .winograd_3x3 = make_winograd_loops<3>(),
          .winograd_5x5 = make_winograd_loops<5>(),
          .winograd_multiply = winograd_multiply,
          .transpose = transpose_matrix,
          .apply_epilogue = apply_epilogue,
          .binary = binary,
          .compare = compare,
          .select = select_by_mask,
          .scale_shift = scale_shift,
          .leaky_relu = leaky_relu,
          .hard_sigmoid = hard_sigmoid,
          .max_into = max_into,
          .add_into = add_into,
          .gate = gate,
          .unary = unary,
          .row_sum = row_sum,
          .row_max = row_max,
          .softmax_row = softmax_row,
          .mix = mix,
          .mix_neighbours = mix_neighbours,
          .mix_corners = mix_corners,
          .mix_eight_corners = mix_eight_corners,
          .round_to_f16 = round_to_f16,
          .round_to_bf16 = round_to_bf16};
}

}  // namespace
