// SPDX-License-Identifier: Apache-2.0
// Area under the ROC curve: the share of pairs (positive, negative) in which the positive has the larger score, equal
// scores counting half; exact, from ranks (Mann and Whitney 1947). One output: its score is for class 1. Two: the
// difference of the scores. More: the mean over the classes, each against all others.
#include <algorithm>
#include <cmath>
#include <limits>

#include "data/metrics/metrics.h"

namespace edgesmith::data {
namespace {

constexpr int kMaxClasses = 32;
constexpr int kWidth = 1 + kMaxClasses;  // the label, then the scores, NaN behind the last

Status sample_auc(std::span<const ir::Tensor> outputs, std::span<const ir::Tensor>, const Sample& sample,
                  std::span<double> numbers) {
  auto scores = class_scores(outputs);
  if (!scores) return scores.error();
  const auto count = static_cast<int64_t>(scores->size());
  if (count > kMaxClasses) {
    return unsupported_error(
        "auc is for at most " + std::to_string(kMaxClasses) + " classes, the model has " + std::to_string(count),
        "use top1");
  }
  auto label = checked_label(sample, std::max<int64_t>(count, 2));
  if (!label) return label.error();
  std::fill(numbers.begin(), numbers.end(), std::numeric_limits<double>::quiet_NaN());
  numbers[0] = static_cast<double>(*label);
  for (size_t c = 0; c < scores->size(); ++c) {
    const double score = (*scores)[c];
    numbers[1 + c] = std::isnan(score) ? -std::numeric_limits<double>::infinity() : score;
  }
  return {};
}

struct Scored {
  double score;
  bool positive;
};

// NaN when one of the two kinds is missing. Reorders `samples`.
double area(std::vector<Scored>& samples) {
  std::sort(samples.begin(), samples.end(), [](const Scored& a, const Scored& b) { return a.score < b.score; });
  double rank_sum = 0, positives = 0;
  for (size_t begin = 0; begin < samples.size();) {
    size_t end = begin;
    double tied_positives = 0;
    for (; end < samples.size() && samples[end].score == samples[begin].score; ++end) {
      tied_positives += samples[end].positive ? 1 : 0;
    }
    // Ranks begin + 1 to end: all of a tie get their mean.
    rank_sum += tied_positives * (static_cast<double>(begin + end) + 1) / 2;
    positives += tied_positives;
    begin = end;
  }
  const double negatives = static_cast<double>(samples.size()) - positives;
  if (positives == 0 || negatives == 0) return std::numeric_limits<double>::quiet_NaN();
  return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives);
}

double combine_auc(std::span<const double> numbers, int width) {
  const auto step = static_cast<size_t>(width);
  const size_t count = numbers.size() / step;
  if (count == 0) return 0;
  size_t classes = 0;
  while (classes + 1 < step && !std::isnan(numbers[1 + classes])) ++classes;
  std::vector<Scored> samples(count);
  const auto area_of = [&](size_t positive_class, auto score) {
    for (size_t i = 0; i < count; ++i) {
      const std::span<const double> row = numbers.subspan(i * step, step);
      samples[i] = {score(row.subspan(1)), row[0] == static_cast<double>(positive_class)};
    }
    return area(samples);
  };
  double sum = 0, used = 0;
  if (classes <= 2) {
    const double one = area_of(1, [&](std::span<const double> s) { return classes == 1 ? s[0] : s[1] - s[0]; });
    return std::isnan(one) ? 0.5 : one;
  }
  for (size_t c = 0; c < classes; ++c) {
    const double one = area_of(c, [&](std::span<const double> s) { return s[c]; });
    if (std::isnan(one)) continue;
    sum += one;
    used += 1;
  }
  return used > 0 ? sum / used : 0.5;
}

}  // namespace

MetricInfo auc() {
  return {"auc",      "area under the ROC curve, mean over the classes when there are more than two",
          "",         true,
          true,       false,
          kWidth,     sample_auc,
          combine_auc};
}

}  // namespace edgesmith::data
