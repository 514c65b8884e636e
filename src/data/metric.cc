// SPDX-License-Identifier: Apache-2.0
// The table of metrics.
#include "edgesmith/data/metric.h"

#include "data/metrics/metrics.h"

namespace edgesmith::data {

std::span<const MetricInfo> all_metrics() {
  static const MetricInfo rows[] = {
      top1(), top5(), f1(), auc(), miou(), map(), mse(), mae(), psnr(), r2(), agreement(), cosine(), sqnr(), max_abs(),
  };
  return rows;
}

const MetricInfo* find_metric(std::string_view name) {
  for (const MetricInfo& row : all_metrics()) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

}  // namespace edgesmith::data
