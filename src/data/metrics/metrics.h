// SPDX-License-Identifier: Apache-2.0
// The rows of the table of metrics (metric.cc), one file each, and what they share.
#pragma once

#include <span>
#include <vector>

#include "edgesmith/data/metric.h"

namespace edgesmith::data {

MetricInfo top1();
MetricInfo top5();
MetricInfo f1();
MetricInfo auc();
MetricInfo miou();
MetricInfo map();
MetricInfo mse();
MetricInfo mae();
MetricInfo psnr();
MetricInfo r2();
MetricInfo agreement();
MetricInfo cosine();
MetricInfo sqnr();
MetricInfo max_abs();

/// Mean of one number a sample, as it is or in percent. metric_interval.cc knows metrics of means by these.
double mean_of(std::span<const double> numbers, int width);
double mean_percent_of(std::span<const double> numbers, int width);

/// Decibels of a ratio, held within +-200 dB: an exact result has no noise, and JSON no infinity.
double decibels(double ratio);

/// Scores of the first output, [1,C] or [1,C,1,1]. Errors: unsupported (anything else), invalid (no outputs).
Result<std::vector<float>> class_scores(std::span<const ir::Tensor> outputs);
/// Index of the largest value, the first of equals; -1 when any value is NaN.
int64_t arg_max(std::span<const float> values);
/// The sample's label, checked against `classes`. Errors: invalid.
Result<int64_t> checked_label(const Sample& sample, int64_t classes);

/// Results and what they are compared with, all outputs one after the other.
struct Pairs {
  std::vector<float> have, want;
};
/// Floating outputs against those of the reference (all outputs when none is floating). Errors: invalid (shapes).
Result<Pairs> against_reference(std::span<const ir::Tensor> outputs, std::span<const ir::Tensor> reference);
/// Outputs against the sample's targets, where given. Errors: invalid (no targets, sizes).
Result<Pairs> against_targets(std::span<const ir::Tensor> outputs, const Sample& sample);
/// have - want; 0 for equal infinities and for two NaNs, a huge number when only one is finite.
double difference(float have, float want);

}  // namespace edgesmith::data
