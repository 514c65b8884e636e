// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/range.h"

#include <cmath>
#include <utility>

namespace edgesmith::passes::quantize {
namespace {

// Narrower ranges are constants for all practical purposes; a scale below this over 255, times a weight's, would leave
// the normal floats.
constexpr float kSmallestWidth = 1e-12f;

// The largest scale at most `scale` with codes * scale <= limit in float arithmetic.
float fit_below(float scale, float codes, float limit) {
  if (codes <= 0 || !std::isfinite(limit)) return scale;
  scale = std::min(scale, limit / codes);
  while (scale * codes > limit) scale = std::nextafter(scale, 0.0f);
  return scale;
}

}  // namespace

ir::Quant activation_quant(Range range, const Bounds& bounds, ir::DType dtype, std::string method, bool symmetric) {
  const auto lowest = static_cast<int32_t>(ir::min_code(dtype)), highest = static_cast<int32_t>(ir::max_code(dtype));
  const float min = std::min(0.0f, std::max(range.min, bounds.min));
  const float max = std::max(0.0f, std::min(range.max, bounds.max));
  ir::Quant quant{.dtype = dtype, .scale = {1.0f}, .zero_point = {lowest}, .method = std::move(method)};
  const auto steps = static_cast<double>(highest - lowest);
  const double width = static_cast<double>(max) - min;
  if (symmetric) {
    quant.zero_point = {0};
    if (width >= kSmallestWidth) quant.scale = {std::max(max, -min) / static_cast<float>(highest)};
    return quant;
  }
  if (!(width >= kSmallestWidth)) {
    if (min < 0) quant.zero_point = {highest};
    return quant;
  }
  const auto below = static_cast<int32_t>(std::nearbyint(-static_cast<double>(min) / width * steps));
  const auto above = highest - lowest - below;
  // Rounding the zero point moves the grid by up to half a step: the ends stay within a rounding of their codes.
  auto scale = static_cast<float>(width / steps);
  scale = fit_below(scale, static_cast<float>(above), bounds.max);
  scale = fit_below(scale, static_cast<float>(below), -bounds.min);
  quant.scale = {scale};
  quant.zero_point = {lowest + below};
  return quant;
}

Range code_range(const ir::Quant& quant) {
  const float scale = quant.scale[0];
  return {scale * static_cast<float>(ir::min_code(quant.dtype) - quant.zero_point[0]),
          scale * static_cast<float>(ir::max_code(quant.dtype) - quant.zero_point[0])};
}

}  // namespace edgesmith::passes::quantize
