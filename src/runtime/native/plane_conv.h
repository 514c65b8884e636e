// SPDX-License-Identifier: Apache-2.0
// Convolution of float32 planes as a matrix product: output channels by pixels, summed over input channels and taps.
// The right operand is never written out whole: tiles read it from the planes where they lie, with masks for what would
// be padding, from padded copies by a table of offsets, or from a panel packed for one tile of pixels at a time, where
// rows are short or several groups of channels read it.
//
// The kernels of conv and conv_transpose are made of it.
#pragma once

#include <cstdint>
#include <optional>

#include "runtime/native/masked_taps.h"
#include "runtime/native/padded_planes.h"
#include "runtime/native/table.h"

namespace edgesmith::runtime::native {

/// The sizes of a convolution, and how it goes about it.
struct PlaneConv {
  PlaneLayout layout;
  int64_t samples, channels, group_channels, groups, out_channels, group_out, pixels, k;
  int64_t rows, width;  ///< runs of outputs that are neighbours in the planes as they are read; how long each is
  bool sweeps;          ///< one group of channels after the other over all pixels; else all channels tile by tile
  bool packed;          ///< pack panels, over all samples; else read by offsets, sample by sample
  std::optional<MaskedTaps> masked;  ///< read the planes of all samples where they lie instead
  int64_t padded_floats;             ///< planes kept at a time, with room to read past the end
};

PlaneConv plane_conv(PlaneLayout layout, int64_t samples, int64_t channels, int64_t groups, int64_t out_channels,
                     const NativeTable& table);

/// Bytes of scratch that run_plane_conv() needs.
int64_t plane_conv_scratch(const PlaneConv& conv, const NativeTable& table);

/// What one call reads and writes.
struct PlaneConvOperands {
  const float* input;  ///< planes
  const float*
      weights;        ///< for each group the matrix [group_out, k] packed by pack_rows(); k: channel by channel, taps
  const float* bias;  ///< [out_channels] or null
  const float* residual;  ///< null, or what is added before the epilogue: it lies as the output does
  float* output;
};

/// Scratch, threads and the epilogue are those of `call`.
void run_plane_conv(const KernelCall& call, const PlaneConv& conv, const NativeTable& table,
                    const PlaneConvOperands& operands);

}  // namespace edgesmith::runtime::native
