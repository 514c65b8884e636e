// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/weight_codes.h"

#include <algorithm>
#include <cmath>

namespace edgesmith::passes::quantize {
namespace {

constexpr int32_t kPairLimit = 128;  // 255 * 128 = 32640 is the largest even multiple of a half that fits 16 bits

// The nearest whole number, half to even, of a number far below 2^51: adding 1.5 * 2^52 leaves no bits for fractions.
double rounded(double real) {
  constexpr double kNoFractions = 6755399441055744.0;
  return (real + kNoFractions) - kNoFractions;
}

// The code of weight `index` nearest to `real` within its limits, which are whole.
int8_t clamped_code(double real, const ChannelScale& scale, size_t index) {
  const int32_t limit = static_cast<int64_t>(index) == scale.peak ? scale.largest : scale.others;
  const double low = scale.low.empty() ? -limit : scale.low[index],
               high = scale.high.empty() ? limit : scale.high[index];
  return static_cast<int8_t>(rounded(std::clamp(real, low, high)));
}

// Codes within their limits.
class Codes : public reconstruct::Projection {
 public:
  explicit Codes(std::span<const ChannelWeights> channels) : channels_(channels) {}
  double project(int row, int column, double value) override {
    const ChannelWeights& channel = channels_[static_cast<size_t>(row)];
    const auto index = static_cast<size_t>(column);
    const int8_t code = clamped_code(value / channel.scale.scale, channel.scale, index);
    channel.codes[index] = code;
    return static_cast<double>(channel.scale.scale) * code;
  }

 private:
  std::span<const ChannelWeights> channels_;
};

}  // namespace

ChannelScale channel_scale(std::span<const double> weights, targets::PairRule rule, double smallest) {
  ChannelScale result;
  double first = 0, second = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    const double magnitude = std::fabs(weights[i]);
    if (magnitude > first) {
      second = first;
      first = magnitude;
      result.peak = static_cast<int64_t>(i);
    } else {
      second = std::max(second, magnitude);
    }
  }
  double scale = first / kLargestCode;
  switch (rule) {
    case targets::PairRule::none:
    case targets::PairRule::neighbours_to_128: break;
    case targets::PairRule::half_range:
      scale = first / (kPairLimit / 2 + 0.5);
      result.largest = result.others = kPairLimit / 2;
      break;
    case targets::PairRule::pairs_to_128: {
      // Codes up to n + 1/2 round to n.
      scale = INFINITY;
      for (int32_t limit = kLargestCode; limit >= kPairLimit / 2; --limit) {
        const double needed = std::max(first / (limit + 0.5), second / (kPairLimit - limit + 0.5));
        if (!(needed < scale)) continue;
        scale = needed;
        result.largest = limit;
        result.others = kPairLimit - limit;
      }
      break;
    }
  }
  const double floor = std::max(smallest, kSmallestScale);
  if (!(first > 0) && !(smallest > 0)) scale = 1;
  result.scale = static_cast<float>(std::max(scale, floor));
  return result;
}

void round_nearest(std::span<const double> weights, const ChannelScale& scale, std::span<int8_t> codes) {
  for (size_t i = 0; i < weights.size(); ++i) codes[i] = clamped_code(weights[i] / scale.scale, scale, i);
}

std::vector<double> round_compensated(std::span<const ChannelWeights> channels, const MomentFactor& factor) {
  const auto n = static_cast<size_t>(factor.width);
  std::vector<double> reals(channels.size() * n);
  std::vector<reconstruct::Row> rows;
  for (size_t c = 0; c < channels.size(); ++c) {
    rows.push_back({channels[c].weights, std::span(reals).subspan(c * n, n)});
  }
  Codes codes(channels);
  return reconstruct::sweep(rows, factor, codes);
}

}  // namespace edgesmith::passes::quantize
