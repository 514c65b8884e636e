// SPDX-License-Identifier: Apache-2.0
// Signal to (quantization) noise ratio: 10 log10(sum of reference^2 / sum of difference^2), over all samples together.
#include <cmath>

#include "data/metrics/metrics.h"

namespace edgesmith::data {
namespace {

Status sample_sqnr(std::span<const ir::Tensor> outputs, std::span<const ir::Tensor> reference, const Sample&,
                   std::span<double> numbers) {
  auto pairs = against_reference(outputs, reference);
  if (!pairs) return pairs.error();
  numbers[0] = numbers[1] = 0;
  for (size_t i = 0; i < pairs->have.size(); ++i) {
    const double want = pairs->want[i], by = difference(pairs->have[i], pairs->want[i]);
    if (std::isfinite(want)) numbers[0] += want * want;
    numbers[1] += by * by;
  }
  return {};
}

double combine_sqnr(std::span<const double> numbers, int width) {
  EDGESMITH_CHECK(width == 2);
  double signal = 0, noise = 0;
  for (size_t i = 0; i < numbers.size(); i += 2) {
    signal += numbers[i];
    noise += numbers[i + 1];
  }
  return noise == 0 ? decibels(HUGE_VAL) : decibels(signal / noise);
}

}  // namespace

MetricInfo sqnr() {
  return {"sqnr",      "signal to noise ratio of the outputs against the original model's",
          "dB",        true,
          false,       true,
          2,           sample_sqnr,
          combine_sqnr};
}

}  // namespace edgesmith::data
