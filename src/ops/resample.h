// SPDX-License-Identifier: Apache-2.0
// Resizing along one axis: where an output position lies in the input (the coordinate transformation of ONNX Resize)
// and which inputs it mixes with which weights. Resize is separable, so an image is resized axis by axis.
//
// Coordinates are computed in float like ONNX Runtime's: that decides ties of mode nearest.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/ir/tensor.h"

namespace edgesmith::ops {

enum class Coordinates {
  half_pixel,
  half_pixel_symmetric,
  pytorch_half_pixel,
  align_corners,
  asymmetric,
  tf_half_pixel_for_nn,
  tf_crop_and_resize,
};
enum class Rounding { prefer_floor, prefer_ceil, floor, ceil };
enum class Filter { nearest, linear, cubic };

std::optional<Coordinates> coordinates_from_name(std::string_view name);
std::optional<Rounding> rounding_from_name(std::string_view name);
std::optional<Filter> filter_from_name(std::string_view name);

/// One axis to be resized.
struct ResizeAxis {
  int64_t input = 0, output = 0;
  float scale = 1;   ///< output / input, as given or computed
  float length = 0;  ///< scale * input: the output's size before it was rounded to `output`
  float roi_start = 0, roi_end = 1;
  /// Nothing happens along this axis.
  bool identity(Coordinates coordinates) const;
};

/// How to resize.
struct Resampling {
  Coordinates coordinates = Coordinates::half_pixel;
  Rounding rounding = Rounding::prefer_floor;
  Filter filter = Filter::nearest;
  float cubic_a = -0.75f;
  bool exclude_outside = false;
  bool antialias = false;
  float extrapolation = 0;
};

/// The input coordinate of every output position.
std::vector<float> source_coordinates(const ResizeAxis& axis, Coordinates coordinates);

/// Mode nearest: the input index of every output position, -1 where tf_crop_and_resize looks outside the input.
std::vector<int64_t> nearest_indices(const ResizeAxis& axis, const Resampling& resampling);

/// One output position as a mix of inputs; empty where tf_crop_and_resize looks outside the input.
struct Mix {
  std::vector<int64_t> indices;
  std::vector<double> weights;
};
std::vector<Mix> mixes(const ResizeAxis& axis, const Resampling& resampling);

/// Resizes axis `at` of an f32 or f64 tensor by linear or cubic filtering.
Result<ir::Tensor> resample(const ir::Tensor& x, size_t at, const ResizeAxis& axis, const Resampling& resampling);

}  // namespace edgesmith::ops
