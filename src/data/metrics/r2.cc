// SPDX-License-Identifier: Apache-2.0
// Coefficient of determination: 1 - sum of squared errors / sum of squared distances to the mean, for every number of
// the expected outputs, then their mean. A number that never changes counts 1 where it is met, else 0.
#include <algorithm>
#include <cmath>
#include <limits>

#include "data/metrics/metrics.h"

namespace edgesmith::data {
namespace {

constexpr size_t kMostR2Numbers = 32;
constexpr int kR2Width = 2 * kMostR2Numbers;  // expected numbers, then squared errors, NaN behind the last

Status sample_r2(std::span<const ir::Tensor> outputs, std::span<const ir::Tensor>, const Sample& sample,
                 std::span<double> numbers) {
  auto pairs = against_targets(outputs, sample);
  if (!pairs) return pairs.error();
  const size_t count = pairs->want.size();
  if (count > kMostR2Numbers) {
    return unsupported_error("r2 is for at most " + std::to_string(kMostR2Numbers) +
                                 " numbers a sample, the expected outputs have " + std::to_string(count),
                             "use mse, mae or psnr");
  }
  std::fill(numbers.begin(), numbers.end(), std::numeric_limits<double>::quiet_NaN());
  for (size_t i = 0; i < count; ++i) {
    const double error = difference(pairs->have[i], pairs->want[i]);
    numbers[i] = pairs->want[i];
    numbers[kMostR2Numbers + i] = error * error;
  }
  return {};
}

double combine_r2(std::span<const double> numbers, int width) {
  EDGESMITH_CHECK(width == kR2Width);
  const size_t count = numbers.size() / kR2Width;
  double sum = 0, used = 0;
  for (size_t j = 0; count > 0 && j < kMostR2Numbers && !std::isnan(numbers[j]); ++j) {
    double mean = 0, errors = 0, spread = 0;
    for (size_t i = 0; i < count; ++i) mean += numbers[i * kR2Width + j] / static_cast<double>(count);
    for (size_t i = 0; i < count; ++i) {
      const double distance = numbers[i * kR2Width + j] - mean;
      spread += distance * distance;
      errors += numbers[i * kR2Width + kMostR2Numbers + j];
    }
    sum += spread > 0 ? 1 - errors / spread : errors == 0 ? 1 : 0;
    used += 1;
  }
  return used > 0 ? sum / used : 0;
}

}  // namespace

MetricInfo r2() {
  return {"r2",      "coefficient of determination against the expected outputs, mean over their numbers",
          "",        true,
          true,      false,
          kR2Width,  sample_r2,
          combine_r2};
}

}  // namespace edgesmith::data
