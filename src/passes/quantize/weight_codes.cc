// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/weight_codes.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "edgesmith/base/check.h"

namespace edgesmith::passes::quantize {
namespace {

constexpr int32_t kLargestCode = 127;
constexpr int32_t kPairLimit = 128;  // 255 * 128 = 32640 is the largest even multiple of a half that fits 16 bits
// Below this a channel counts as zero: its scale times an activation's would leave the normal floats.
constexpr double kSmallestScale = 1e-20;

// The code of weight `index` nearest to `real` within its limits.
int8_t clamped_code(double real, const ChannelScale& scale, size_t index) {
  const int32_t limit = static_cast<int64_t>(index) == scale.peak ? scale.largest : scale.others;
  const double low = scale.low.empty() ? -limit : scale.low[index],
               high = scale.high.empty() ? limit : scale.high[index];
  return static_cast<int8_t>(std::clamp(std::nearbyint(real), low, high));
}

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

MomentFactor factor_moments(std::span<const double> moments, int width, double damping) {
  const auto n = static_cast<size_t>(width);
  EDGESMITH_CHECK(moments.size() == n * n);
  const auto moment = [&](size_t i, size_t j) { return i <= j ? moments[i * n + j] : moments[j * n + i]; };
  MomentFactor result{.width = width, .order = std::vector<int>(n), .factor = std::vector<double>(n * n, 0.0)};
  std::iota(result.order.begin(), result.order.end(), 0);
  std::stable_sort(result.order.begin(), result.order.end(), [&](int a, int b) {
    return moment(static_cast<size_t>(a), static_cast<size_t>(a)) >
           moment(static_cast<size_t>(b), static_cast<size_t>(b));
  });
  double diagonal = 0;
  for (size_t i = 0; i < n; ++i) diagonal += moment(i, i);
  const double added = diagonal > 0 ? damping * diagonal / static_cast<double>(n) : 1.0;

  // V V^T = M with V upper triangular is the Cholesky factorization (M = L L^T) of M in reversed order. Rows of L are
  // found from the first on, so every inner loop runs along two contiguous rows.
  std::vector<double> lower(n * n, 0.0);
  for (size_t i = 0; i < n; ++i) {
    const auto a = static_cast<size_t>(result.order[n - 1 - i]);
    double* row = &lower[i * n];
    for (size_t j = 0; j <= i; ++j) {
      const auto b = static_cast<size_t>(result.order[n - 1 - j]);
      const double* other = &lower[j * n];
      double sums[4] = {0, 0, 0, 0};
      size_t k = 0;
      for (; k + 4 <= j; k += 4) {
        for (size_t u = 0; u < 4; ++u) sums[u] += row[k + u] * other[k + u];
      }
      for (; k < j; ++k) sums[0] += row[k] * other[k];
      const double rest = moment(a, b) + (i == j ? added : 0.0) - ((sums[0] + sums[1]) + (sums[2] + sums[3]));
      row[j] = i == j ? std::sqrt(std::max(rest, 1e-12 * added)) : rest / other[j];
    }
  }
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j <= i; ++j) result.factor[(n - 1 - i) * n + (n - 1 - j)] = lower[i * n + j];
  }
  return result;
}

double round_compensated(std::span<const double> weights, const ChannelScale& scale, const MomentFactor& factor,
                         std::span<int8_t> codes) {
  const auto n = static_cast<size_t>(factor.width);
  EDGESMITH_CHECK(weights.size() == n && codes.size() == n);
  std::vector<double> pending(n, 0.0);  // sum over the rounded j of V[j][i] * e_j
  double output_error = 0;
  for (size_t i = 0; i < n; ++i) {
    const auto index = static_cast<size_t>(factor.order[i]);
    const double* row = &factor.factor[i * n];
    const double wanted = weights[index] + pending[i] / row[i];
    codes[index] = clamped_code(wanted / scale.scale, scale, index);
    const double error = weights[index] - static_cast<double>(scale.scale) * codes[index];
    const double left = pending[i] + row[i] * error;
    output_error += left * left;
    for (size_t k = i + 1; k < n; ++k) pending[k] += row[k] * error;
  }
  return output_error;
}

}  // namespace edgesmith::passes::quantize
