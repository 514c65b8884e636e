// SPDX-License-Identifier: Apache-2.0
// What "accurate" means: one row and one file (src/data/metrics/) a metric.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/data/dataset.h"
#include "edgesmith/ir/tensor.h"

namespace edgesmith::data {

/// One metric. A metric is computed from one number (or a few) a sample, so that two models can be compared sample by
/// sample; memory is `width` doubles a sample.
struct MetricInfo {
  std::string_view name;     ///< "top1"
  std::string_view summary;  ///< one line, with the unit
  std::string_view unit;     ///< "%", "dB", ""
  bool higher_is_better;
  bool needs_labels;     ///< class labels (or targets, for regression metrics)
  bool needs_reference;  ///< compares with the outputs of the original model (agreement, cosine, SQNR)
  int width;             ///< doubles kept for each sample
  /// Writes the `width` numbers of one sample. `outputs` are the model's results for this sample, `reference` the
  /// original's (empty unless needs_reference). Errors: invalid (no label, wrong output shape), naming what is missing.
  Status (*sample)(std::span<const ir::Tensor> outputs, std::span<const ir::Tensor> reference, const Sample& sample,
                   std::span<double> numbers);
  /// The metric over samples, `numbers` row-major [samples, width].
  double (*combine)(std::span<const double> numbers, int width);
  /// Whether the samples together hold anything that it measures, such as a labelled box; null: every sample does.
  bool (*measurable)(std::span<const double> numbers, int width) = nullptr;
};

std::span<const MetricInfo> all_metrics();
const MetricInfo* find_metric(std::string_view name);

/// A difference with its uncertainty.
struct PairedDifference {
  double drop = 0;          ///< a - b for higher-is-better metrics, b - a otherwise: positive means b is worse
  double ci95[2] = {0, 0};  ///< paired 95 % interval of the drop
};

/// Compares two models on the same samples. For metrics that are means of one number the interval is the paired normal
/// one (for 0/1 numbers: Newcombe's for paired proportions); for the others a seeded paired bootstrap (1000 resamples).
PairedDifference paired_difference(const MetricInfo& metric, std::span<const double> a, std::span<const double> b);

/// 95 % interval of a single model's metric (Wilson for proportions, else normal or bootstrap).
void metric_interval(const MetricInfo& metric, std::span<const double> numbers, double interval[2]);

}  // namespace edgesmith::data
