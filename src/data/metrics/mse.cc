// SPDX-License-Identifier: Apache-2.0
// Mean squared error against the expected outputs, all elements of a sample alike.
#include "data/metrics/metrics.h"

namespace edgesmith::data {
namespace {

Status sample_mse(std::span<const ir::Tensor> outputs, std::span<const ir::Tensor>, const Sample& sample,
                  std::span<double> numbers) {
  auto pairs = against_targets(outputs, sample);
  if (!pairs) return pairs.error();
  double sum = 0;
  for (size_t i = 0; i < pairs->have.size(); ++i) {
    const double by = difference(pairs->have[i], pairs->want[i]);
    sum += by * by;
  }
  numbers[0] = sum / static_cast<double>(pairs->have.size());
  return {};
}

}  // namespace

MetricInfo mse() {
  return {"mse", "mean squared error against the expected outputs", "", false, true, false, 1, sample_mse, mean_of};
}

}  // namespace edgesmith::data
