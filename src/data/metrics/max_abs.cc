// SPDX-License-Identifier: Apache-2.0
// Largest absolute difference of any output element from the original model's.
#include <algorithm>
#include <cmath>

#include "data/metrics/metrics.h"

namespace edgesmith::data {
namespace {

Status sample_max_abs(std::span<const ir::Tensor> outputs, std::span<const ir::Tensor> reference, const Sample&,
                      std::span<double> numbers) {
  auto pairs = against_reference(outputs, reference);
  if (!pairs) return pairs.error();
  numbers[0] = 0;
  for (size_t i = 0; i < pairs->have.size(); ++i) {
    numbers[0] = std::max(numbers[0], std::fabs(difference(pairs->have[i], pairs->want[i])));
  }
  return {};
}

double combine_max(std::span<const double> numbers, int) {
  return numbers.empty() ? 0 : *std::max_element(numbers.begin(), numbers.end());
}

}  // namespace

MetricInfo max_abs() {
  return {"max_abs",  "largest absolute difference of an output from the original model's",
          "",         false,
          false,      true,
          1,          sample_max_abs,
          combine_max};
}

}  // namespace edgesmith::data
