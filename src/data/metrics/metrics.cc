// SPDX-License-Identifier: Apache-2.0
#include "data/metrics/metrics.h"

#include <algorithm>
#include <cmath>

namespace edgesmith::data {
namespace {

constexpr double kMaxDecibels = 200;
// Its square is still a double.
constexpr double kHuge = 1e150;

void append(const ir::Tensor& have, const ir::Tensor& want, Pairs& pairs) {
  const std::vector<float> a = have.to_floats(), b = want.to_floats();
  pairs.have.insert(pairs.have.end(), a.begin(), a.end());
  pairs.want.insert(pairs.want.end(), b.begin(), b.end());
}

}  // namespace

double mean_of(std::span<const double> numbers, int width) {
  EDGESMITH_CHECK(width == 1);
  double sum = 0;
  for (const double number : numbers) sum += number;
  return numbers.empty() ? 0 : sum / static_cast<double>(numbers.size());
}

double mean_percent_of(std::span<const double> numbers, int width) { return 100 * mean_of(numbers, width); }

double decibels(double ratio) {
  if (!(ratio > 0)) return -kMaxDecibels;
  return std::clamp(10 * std::log10(ratio), -kMaxDecibels, kMaxDecibels);
}

Result<std::vector<float>> class_scores(std::span<const ir::Tensor> outputs) {
  if (outputs.empty()) return invalid_error("the model has no outputs");
  const ir::Tensor& scores = outputs[0];
  const auto real = std::count_if(scores.dims().begin(), scores.dims().end(), [](int64_t dim) { return dim != 1; });
  if (real > 1 || (scores.rank() > 0 && scores.dims()[0] != 1 && scores.rank() > 1)) {
    return unsupported_error(
        "the first output is " + scores.type().text() + " for a sample, not one score for each class",
        "use a metric that compares outputs: agreement, cosine, sqnr or mse");
  }
  return scores.to_floats();
}

int64_t arg_max(std::span<const float> values) {
  int64_t best = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isnan(values[i])) return -1;
    if (values[i] > values[static_cast<size_t>(best)]) best = static_cast<int64_t>(i);
  }
  return values.empty() ? -1 : best;
}

Result<int64_t> checked_label(const Sample& sample, int64_t classes) {
  if (sample.label < 0) return invalid_error("the sample has no label", "give labelled data, or the metric agreement");
  if (sample.label >= classes) {
    return invalid_error("label " + std::to_string(sample.label) + " is not in 0 to " + std::to_string(classes - 1),
                         "check that labels and model belong together");
  }
  return sample.label;
}

Result<Pairs> against_reference(std::span<const ir::Tensor> outputs, std::span<const ir::Tensor> reference) {
  if (outputs.size() != reference.size() || outputs.empty()) {
    return invalid_error(std::to_string(outputs.size()) + " outputs against " + std::to_string(reference.size()) +
                         " of the reference");
  }
  const bool any_float =
      std::any_of(reference.begin(), reference.end(), [](const ir::Tensor& t) { return ir::is_float(t.dtype()); });
  Pairs pairs;
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (reference[i].dtype() == ir::DType::string || (any_float && !ir::is_float(reference[i].dtype()))) continue;
    if (outputs[i].dims() != reference[i].dims()) {
      return invalid_error("output " + std::to_string(i) + " is " + outputs[i].type().text() + ", the reference's is " +
                           reference[i].type().text());
    }
    append(outputs[i], reference[i], pairs);
  }
  return pairs;
}

Result<Pairs> against_targets(std::span<const ir::Tensor> outputs, const Sample& sample) {
  Pairs pairs;
  for (size_t i = 0; i < sample.targets.size() && i < outputs.size(); ++i) {
    const ir::Tensor& target = sample.targets[i];
    if (!target.valid()) continue;
    if (target.size() != outputs[i].size()) {
      return invalid_error(
          "output " + std::to_string(i) + " is " + outputs[i].type().text() + ", its target is " + target.type().text(),
          "check that targets and model belong together");
    }
    append(outputs[i], target, pairs);
  }
  if (pairs.want.empty()) {
    return invalid_error("the sample has no expected outputs",
                         "give arrays named after the model's outputs, or y, or output_*.pb");
  }
  return pairs;
}

double difference(float have, float want) {
  if (have == want || (std::isnan(have) && std::isnan(want))) return 0;
  const double by = static_cast<double>(have) - static_cast<double>(want);
  return std::isfinite(by) ? by : kHuge;
}

}  // namespace edgesmith::data
