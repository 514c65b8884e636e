// SPDX-License-Identifier: Apache-2.0
// Share of samples whose label has the largest score; of equal scores the first counts.
#include "data/metrics/metrics.h"

namespace edgesmith::data {
namespace {

Status sample_top1(std::span<const ir::Tensor> outputs, std::span<const ir::Tensor>, const Sample& sample,
                   std::span<double> numbers) {
  auto scores = class_scores(outputs);
  if (!scores) return scores.error();
  if (scores->size() < 2) return unsupported_error("top1 needs at least two classes", "use auc for a single score");
  auto label = checked_label(sample, static_cast<int64_t>(scores->size()));
  if (!label) return label.error();
  numbers[0] = arg_max(*scores) == *label ? 1 : 0;
  return {};
}

}  // namespace

MetricInfo top1() {
  return {"top1",
          "share of samples whose label has the largest score, in percent",
          "%",
          true,
          true,
          false,
          1,
          sample_top1,
          mean_percent_of};
}

}  // namespace edgesmith::data
