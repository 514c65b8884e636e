// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/pair_limits.h"

#include <algorithm>
#include <cmath>

#include "edgesmith/ops/pair_sums.h"

namespace edgesmith::passes::quantize {
namespace {

// Scales that are tried from the full range to the one at which every pair fits, in equal steps (the last is at most
// twice the first: a step is at most an eighth).
constexpr int kScaleSteps = 8;

// How far two magnitudes (in codes) may go so that they sum to kPairLimit.
std::pair<int32_t, int32_t> share(double a, double b, double importance_a, double importance_b) {
  const double room = ops::kPairLimit - (a + b);
  // The least importance_a * da^2 + importance_b * db^2 with da + db = -room.
  const double weighed = importance_a + importance_b > 0 ? importance_b / (importance_a + importance_b) : 0.5;
  const double most_a = a + room * (room >= 0 ? 0.5 : weighed);
  const auto limit_a = std::clamp(static_cast<int32_t>(std::nearbyint(most_a)), 1, kLargestCode);
  return {limit_a, ops::kPairLimit - limit_a};
}

// The largest sum of two weights of one sign that meet.
double widest_pair(std::span<const double> weights, const WeightPairs& pairs) {
  double widest = 0;
  for (const auto& [first, second] : pairs) {
    const double a = weights[static_cast<size_t>(first)], b = weights[static_cast<size_t>(second)];
    widest = std::max(widest, std::max(std::max(a, 0.0) + std::max(b, 0.0), std::max(-a, 0.0) + std::max(-b, 0.0)));
  }
  return widest;
}

// Squared error of nearest codes, each weight counting by its importance.
double nearest_error(std::span<const double> weights, std::span<const double> importance, const ChannelScale& scale,
                     std::span<int8_t> codes) {
  round_nearest(weights, scale, codes);
  double sum = 0;
  for (size_t k = 0; k < weights.size(); ++k) {
    const double error = weights[k] - static_cast<double>(scale.scale) * codes[k];
    sum += (importance.empty() ? 1 : importance[k]) * error * error;
  }
  return sum;
}

}  // namespace

void set_pair_limits(std::span<const double> weights, const WeightPairs& pairs, std::span<const double> importance,
                     ChannelScale& scale) {
  scale.low.assign(weights.size(), -kLargestCode);
  scale.high.assign(weights.size(), kLargestCode);
  const auto magnitude = [&](size_t at, double sign) { return std::max(0.0, sign * weights[at] / scale.scale); };
  for (const auto& [first, second] : pairs) {
    const auto a = static_cast<size_t>(first), b = static_cast<size_t>(second);
    const double of_a = importance.empty() ? 1 : importance[a], of_b = importance.empty() ? 1 : importance[b];
    const auto [high_a, high_b] = share(magnitude(a, 1), magnitude(b, 1), of_a, of_b);
    const auto [low_a, low_b] = share(magnitude(a, -1), magnitude(b, -1), of_a, of_b);
    scale.high[a] = static_cast<int8_t>(std::min<int32_t>(scale.high[a], high_a));
    scale.high[b] = static_cast<int8_t>(std::min<int32_t>(scale.high[b], high_b));
    scale.low[a] = static_cast<int8_t>(std::max<int32_t>(scale.low[a], -low_a));
    scale.low[b] = static_cast<int8_t>(std::max<int32_t>(scale.low[b], -low_b));
  }
}

std::vector<ChannelScale> pair_scales(std::span<const double> weights, const WeightPairs& pairs,
                                      std::span<const double> importance, double smallest) {
  const double full = channel_scale(weights, targets::PairRule::none, smallest).scale;
  const double whole = std::max(full, widest_pair(weights, pairs) / (ops::kPairLimit + 0.5));
  const auto scale_of = [&](double scale) {
    ChannelScale result;
    result.scale = static_cast<float>(scale);
    set_pair_limits(weights, pairs, importance, result);
    return result;
  };
  std::vector<ChannelScale> scales = {scale_of(whole)};
  if (!(whole > full)) return scales;
  ChannelScale best;
  double least = INFINITY;
  std::vector<int8_t> codes(weights.size());
  for (int step = 0; step < kScaleSteps; ++step) {
    ChannelScale scale = scale_of(full + (whole - full) * step / kScaleSteps);
    const double error = nearest_error(weights, importance, scale, codes);
    if (!(error < least)) continue;
    least = error;
    best = std::move(scale);
  }
  scales.push_back(std::move(best));
  return scales;
}

}  // namespace edgesmith::passes::quantize
