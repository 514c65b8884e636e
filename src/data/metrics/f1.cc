// SPDX-License-Identifier: Apache-2.0
// Macro F1: for every class 2 TP / (2 TP + FP + FN), then the mean over the classes that occur among labels or answers.
#include <map>

#include "data/metrics/metrics.h"

namespace edgesmith::data {
namespace {

constexpr int kF1Width = 2;  // label, answer (-1: NaN among the scores)

Status sample_f1(std::span<const ir::Tensor> outputs, std::span<const ir::Tensor>, const Sample& sample,
                 std::span<double> numbers) {
  auto scores = class_scores(outputs);
  if (!scores) return scores.error();
  if (scores->size() < 2) return unsupported_error("f1 needs at least two classes", "use auc for a single score");
  auto label = checked_label(sample, static_cast<int64_t>(scores->size()));
  if (!label) return label.error();
  numbers[0] = static_cast<double>(*label);
  numbers[1] = static_cast<double>(arg_max(*scores));
  return {};
}

struct F1Counts {
  double labels = 0, answers = 0, both = 0;
};

double combine_f1(std::span<const double> numbers, int width) {
  EDGESMITH_CHECK(width == kF1Width);
  std::map<double, F1Counts> classes;
  for (size_t i = 0; i < numbers.size(); i += kF1Width) {
    classes[numbers[i]].labels += 1;
    if (numbers[i + 1] >= 0) classes[numbers[i + 1]].answers += 1;
    if (numbers[i] == numbers[i + 1]) classes[numbers[i]].both += 1;
  }
  double sum = 0;
  for (const auto& [label, counts] : classes) sum += 2 * counts.both / (counts.labels + counts.answers);
  return classes.empty() ? 0 : sum / static_cast<double>(classes.size());
}

}  // namespace

MetricInfo f1() {
  return {"f1", "F1 score, mean over the classes (macro)", "", true, true, false, kF1Width, sample_f1, combine_f1};
}

}  // namespace edgesmith::data
