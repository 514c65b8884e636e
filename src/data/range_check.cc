// SPDX-License-Identifier: Apache-2.0
#include "data/range_check.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "edgesmith/base/text.h"

namespace edgesmith::data {
namespace {

// Normalised inputs of any published recipe stay well inside of this many standard deviations.
constexpr double kManyDeviations = 20;
// Pixels that differ by at least kContrast levels and come out closer together than kFlat were scaled down twice.
constexpr double kContrast = 64, kFlat = 0.1;
// Floats of this size were normalised before: scaling them down again leaves nothing of their spread.
constexpr double kNormalised = 10, kSpread = 0.5;

// No model takes pixels that are larger than those of a picture of 8 bits.
constexpr double kAbovePixels = 2 * 255;

std::string between(double low, double high) {
  char text[64];
  std::snprintf(text, sizeof text, "%.4g to %.4g", low, high);
  return text;
}

}  // namespace

void ValueRange::add_raw(double low_value, double high_value, bool are_pixels) {
  const bool first = raw_low == 0 && raw_high == 0 && !any;
  raw_low = first ? low_value : std::min(raw_low, low_value);
  raw_high = first ? high_value : std::max(raw_high, high_value);
  pixels = are_pixels;
}

void ValueRange::add_pixels(std::span<const uint8_t> values) {
  if (values.empty()) return;
  uint8_t least = values[0], most = values[0];
  for (const uint8_t value : values) {
    least = std::min(least, value);
    most = std::max(most, value);
  }
  add_raw(least, most, true);
}

void ValueRange::add(const ir::Tensor& tensor) {
  const bool plain = tensor.dtype() == ir::DType::f32 && tensor.encoding() == ir::Encoding::dense;
  const std::vector<float> others = plain ? std::vector<float>() : tensor.to_floats();
  const std::span<const float> values = plain ? tensor.data<float>() : others;
  if (values.empty()) return;
  constexpr size_t kLanes = 16;  // side by side, so that they become vectors
  std::array<float, kLanes> low_ends, high_ends;
  low_ends.fill(values[0]);
  high_ends.fill(values[0]);
  size_t at = 0;
  for (; at + kLanes <= values.size(); at += kLanes) {
    for (size_t l = 0; l < kLanes; ++l) {
      low_ends[l] = std::min(low_ends[l], values[at + l]);
      high_ends[l] = std::max(high_ends[l], values[at + l]);
    }
  }
  float least = *std::min_element(low_ends.begin(), low_ends.end());
  float most = *std::max_element(high_ends.begin(), high_ends.end());
  for (; at < values.size(); ++at) {
    least = std::min(least, values[at]);
    most = std::max(most, values[at]);
  }
  low = any ? std::min<double>(low, least) : least;
  high = any ? std::max<double>(high, most) : most;
  any = true;
}

std::string range_complaint(const ValueRange& range, const Preprocess& preprocess, bool declared) {
  if (!range.any) return {};
  const std::string values = between(range.low, range.high);
  const double largest = std::max(std::fabs(range.low), std::fabs(range.high));
  if (range.low == 0 && range.high == 0) return "every value of the first samples is 0";
  if (!preprocess.std.empty() && largest > kManyDeviations) {
    return "values are " + values + " after mean and std; mean and std are in other units than the data (is scale = " +
           (range.pixels ? "1/255" : "...") + " missing?)";
  }
  if (range.pixels && preprocess.scale > 1 && largest > kAbovePixels) {
    return "pixels come out as " + values + ": scale multiplies, and " + shortest(preprocess.scale) +
           " is above 1 (is 1/255 meant?)";
  }
  if (range.pixels && !declared && range.high > 2) {
    return "pixels go in as they are, " + values +
           ", because no preprocessing is declared; declare it ([preprocess], or --scale 1/255 --mean ... --std ...; "
           "--scale 1 says that this is right)";
  }
  if (range.pixels && range.raw_high - range.raw_low >= kContrast && range.high - range.low < kFlat) {
    return "pixels come out as " + values + ", nearly without contrast; scale, mean or std are too strong";
  }
  const bool normalised = std::max(std::fabs(range.raw_low), std::fabs(range.raw_high)) <= kNormalised &&
                          range.raw_high - range.raw_low >= kSpread;
  if (!range.pixels && normalised && preprocess.scale < 1 && range.high - range.low < kFlat) {
    return "values are " + values + " after preprocessing; the data seem to be scaled already, they are " +
           between(range.raw_low, range.raw_high);
  }
  return {};
}

}  // namespace edgesmith::data
