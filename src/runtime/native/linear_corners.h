// SPDX-License-Identifier: Apache-2.0
// Linear resizing of images and volumes from all their corners at once, in ONNX Runtime's order and to its bits: every
// output is a sum of four products, or eight, each of a pixel with the product of its weights. A quantized input lies
// on rounding ties only too often. The order was found with NumPy in float32 against onnxruntime 1.32.
#pragma once

#include <optional>
#include <vector>

#include "edgesmith/ops/resizing.h"
#include "runtime/native/table.h"

namespace edgesmith::runtime::native {

/// The two inputs of every output along one axis, in pairs.
struct Neighbours {
  int64_t input = 1;
  std::vector<int64_t> indices;
  std::vector<float> weights;

  size_t outputs() const { return indices.size() / 2; }
};

/// Images [images][slices][rows][columns], where a row may hold several channels of each pixel.
struct LinearCorners {
  int64_t images = 1;
  std::optional<Neighbours> slices;  ///< of volumes
  Neighbours rows, columns;
  std::vector<float> left_weights, right_weights;  ///< of the columns

  /// Floats of scratch: input rows spread over the outputs.
  int64_t scratch_floats() const;
};

/// The corners of a linear resize without antialiasing of `input` to `output`, by what happens along its axes:
/// two axes or the last two of four; those between the first and the last of four (channels last); three axes or the
/// last three of five. Empty for other ranks and axes, where ONNX Runtime has no such resize, and where nothing
/// happens.
std::optional<LinearCorners> linear_corners(const std::vector<ops::AxisMixes>& axes, const ir::Dims& input,
                                            const ir::Dims& output);

void run_linear_corners(const NativeTable& table, const LinearCorners& corners, const float* in, float* scratch,
                        float* out);

}  // namespace edgesmith::runtime::native
