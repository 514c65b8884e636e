// SPDX-License-Identifier: Apache-2.0
// Share of samples whose label is among the five largest scores; of equal scores the first count.
#include <cmath>

#include "data/metrics/metrics.h"

namespace edgesmith::data {
namespace {

Status sample_top5(std::span<const ir::Tensor> outputs, std::span<const ir::Tensor>, const Sample& sample,
                   std::span<double> numbers) {
  auto scores = class_scores(outputs);
  if (!scores) return scores.error();
  if (scores->size() < 2) return unsupported_error("top5 needs at least two classes", "use auc for a single score");
  auto label = checked_label(sample, static_cast<int64_t>(scores->size()));
  if (!label) return label.error();
  const auto own = static_cast<size_t>(*label);
  const float score = (*scores)[own];
  int ahead = 0;
  bool any_nan = false;
  for (size_t i = 0; i < scores->size(); ++i) {
    any_nan |= std::isnan((*scores)[i]);
    ahead += (*scores)[i] > score || ((*scores)[i] == score && i < own) ? 1 : 0;
  }
  numbers[0] = ahead < 5 && !any_nan ? 1 : 0;
  return {};
}

}  // namespace

MetricInfo top5() {
  return {"top5",
          "share of samples whose label is among the five largest scores, in percent",
          "%",
          true,
          true,
          false,
          1,
          sample_top5,
          mean_percent_of};
}

}  // namespace edgesmith::data
