// SPDX-License-Identifier: Apache-2.0
// Cosine of the angle between the outputs and the original model's, all outputs of a sample as one vector.
#include <cmath>

#include "data/metrics/metrics.h"

namespace edgesmith::data {
namespace {

Status sample_cosine(std::span<const ir::Tensor> outputs, std::span<const ir::Tensor> reference, const Sample&,
                     std::span<double> numbers) {
  auto pairs = against_reference(outputs, reference);
  if (!pairs) return pairs.error();
  double dot = 0, have = 0, want = 0;
  for (size_t i = 0; i < pairs->have.size(); ++i) {
    const double a = pairs->have[i], b = pairs->want[i];
    dot += a * b;
    have += a * a;
    want += b * b;
  }
  const double cosine = have == 0 || want == 0 ? (have == want ? 1 : 0) : dot / (std::sqrt(have) * std::sqrt(want));
  numbers[0] = std::isfinite(cosine) ? std::min(cosine, 1.0) : -1;  // NaN or Inf came out: as bad as can be
  return {};
}

}  // namespace

MetricInfo cosine() {
  return {"cosine", "cosine between the outputs and the original model's, mean over the samples",
          "",       true,
          false,    true,
          1,        sample_cosine,
          mean_of};
}

}  // namespace edgesmith::data
