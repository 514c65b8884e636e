// SPDX-License-Identifier: Apache-2.0
// Peak signal-to-noise ratio of pictures: 10 log10(peak^2 / mse), the mean over the samples. The peak is what the
// targets of the whole data set say: 1 when none is above 1, else 255, else 65535.
#include <algorithm>

#include "data/metrics/metrics.h"

namespace edgesmith::data {
namespace {

Status sample_psnr(std::span<const ir::Tensor> outputs, std::span<const ir::Tensor> reference, const Sample& sample,
                   std::span<double> numbers) {
  EDGESMITH_TRY(mse().sample(outputs, reference, sample, numbers.first(1)));
  auto pairs = against_targets(outputs, sample);
  if (!pairs) return pairs.error();
  numbers[1] = *std::max_element(pairs->want.begin(), pairs->want.end());
  return {};
}

double combine_psnr(std::span<const double> numbers, int width) {
  EDGESMITH_CHECK(width == 2);
  double largest = 0, sum = 0;
  for (size_t i = 0; i < numbers.size(); i += 2) largest = std::max(largest, numbers[i + 1]);
  const double peak = largest <= 1 ? 1 : largest <= 255 ? 255 : 65535;
  for (size_t i = 0; i < numbers.size(); i += 2) sum += decibels(peak * peak / numbers[i]);
  return numbers.empty() ? 0 : sum / (static_cast<double>(numbers.size()) / 2);
}

}  // namespace

MetricInfo psnr() {
  return {"psnr",      "peak signal-to-noise ratio against the expected outputs, mean over the samples",
          "dB",        true,
          true,        false,
          2,           sample_psnr,
          combine_psnr};
}

}  // namespace edgesmith::data
