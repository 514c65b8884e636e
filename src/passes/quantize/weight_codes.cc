// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/weight_codes.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "edgesmith/base/check.h"
#include "runtime/isa.h"
#include "runtime/native/statistics.h"

namespace edgesmith::passes::quantize {
namespace {

constexpr int32_t kLargestCode = 127;
constexpr int32_t kPairLimit = 128;  // 255 * 128 = 32640 is the largest even multiple of a half that fits 16 bits
// Below this a channel counts as zero: its scale times an activation's would leave the normal floats.
constexpr double kSmallestScale = 1e-20;

constexpr size_t kLanes = runtime::native::kStatisticsLanes;
// Places that are factored or rounded together, and channels rounded side by side: so many that the factor, which may
// be larger than the caches, is read seldom.
constexpr size_t kPlaces = 16, kChannels = 64;

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
  MomentFactor result{.width = width, .order = std::vector<int>(n)};
  std::iota(result.order.begin(), result.order.end(), 0);
  const auto diagonal_of = [&](int i) { return moments[static_cast<size_t>(i) * (n + 1)]; };
  std::stable_sort(result.order.begin(), result.order.end(),
                   [&](int a, int b) { return diagonal_of(a) > diagonal_of(b); });
  std::reverse(result.order.begin(), result.order.end());
  double diagonal = 0;
  for (size_t i = 0; i < n; ++i) diagonal += moments[i * (n + 1)];
  const double added = diagonal > 0 ? damping * diagonal / static_cast<double>(n) : 1.0;

  const size_t stride = (n + kLanes - 1) / kLanes * kLanes;
  result.stride = static_cast<int64_t>(stride);
  result.factor.assign(n * stride, 0.0);
  double* u = result.factor.data();
  for (size_t p = 0; p < n; ++p) {
    const double* row = &moments[static_cast<size_t>(result.order[p]) * n];
    for (size_t q = p; q < n; ++q) u[p * stride + q] = row[static_cast<size_t>(result.order[q])];
    u[p * stride + p] += added;
  }
  // Cholesky by blocks of rows: what the rows above contribute is a product of matrices, the rest goes row by row.
  const auto& table = runtime::native::statistics_table(*runtime::isa_in_use());
  for (size_t first = 0; first < n; first += kPlaces) {
    const size_t last = std::min(n, first + kPlaces), column = first / kLanes * kLanes;
    const auto whole = [](size_t size) { return static_cast<int64_t>(size); };
    table.product64({.a = u + first,
                     .a_row = 1,
                     .a_k = whole(stride),
                     .b = u + column,
                     .ldb = whole(stride),
                     .rows = whole(last - first),
                     .k = whole(first),
                     .columns = whole(stride - column),
                     .c = u + first * stride + column,
                     .ldc = whole(stride),
                     .subtract = true});
    for (size_t p = first; p < last; ++p) {
      double* row = u + p * stride;
      for (size_t k = first; k < p; ++k) {
        const double* above = u + k * stride;
        const double left = above[p];
        for (size_t q = p; q < n; ++q) row[q] -= left * above[q];
      }
      const double pivot = std::sqrt(std::max(row[p], 1e-12 * added));
      row[p] = pivot;
      for (size_t q = p + 1; q < n; ++q) row[q] /= pivot;
    }
  }
  return result;
}

std::vector<double> round_compensated(std::span<const ChannelWeights> channels, const MomentFactor& factor) {
  const auto n = static_cast<size_t>(factor.width);
  const auto stride = static_cast<size_t>(factor.stride);
  const auto& table = runtime::native::statistics_table(*runtime::isa_in_use());
  std::vector<double> errors, pending;  // [place][channel]
  std::vector<double> output_errors(channels.size(), 0.0);
  for (size_t begin = 0; begin < channels.size(); begin += kChannels) {
    const auto some = channels.subspan(begin, std::min(kChannels, channels.size() - begin));
    const size_t lanes = (some.size() + kLanes - 1) / kLanes * kLanes;
    errors.assign(n * lanes, 0.0);
    for (size_t last = n; last > 0;) {
      const size_t first = (last - 1) / kPlaces * kPlaces;
      // From the places after this block, the ones rounded first coming first.
      pending.assign((last - first) * lanes, 0.0);
      if (last < n) {
        table.product64({.a = &factor.factor[first * stride + n - 1],
                         .a_row = factor.stride,
                         .a_k = -1,
                         .b = &errors[(n - 1) * lanes],
                         .ldb = -static_cast<int64_t>(lanes),
                         .rows = static_cast<int64_t>(last - first),
                         .k = static_cast<int64_t>(n - last),
                         .columns = static_cast<int64_t>(lanes),
                         .c = pending.data(),
                         .ldc = static_cast<int64_t>(lanes),
                         .subtract = false});
      }
      for (size_t p = last; p-- > first;) {
        const double* row = &factor.factor[p * stride];
        double* own = &pending[(p - first) * lanes];
        for (size_t k = last; --k > p;) {
          for (size_t c = 0; c < lanes; ++c) own[c] += row[k] * errors[k * lanes + c];
        }
        const auto index = static_cast<size_t>(factor.order[p]);
        for (size_t c = 0; c < some.size(); ++c) {
          const ChannelWeights& channel = some[c];
          const double wanted = channel.weights[index] + own[c] / row[p];
          const int8_t code = clamped_code(wanted / channel.scale.scale, channel.scale, index);
          const double error = channel.weights[index] - static_cast<double>(channel.scale.scale) * code;
          const double left = own[c] + row[p] * error;
          output_errors[begin + c] += left * left;
          channel.codes[index] = code;
          errors[p * lanes + c] = error;
        }
      }
      last = first;
    }
  }
  return output_errors;
}

}  // namespace edgesmith::passes::quantize
