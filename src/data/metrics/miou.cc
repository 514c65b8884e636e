// SPDX-License-Identifier: Apache-2.0
// Mean intersection over union of a segmentation: for every class TP / (TP + FP + FN) over the pixels of all samples,
// then the mean over the classes that occur in labels or answers. Pixels with the label 255 do not count.
#include <algorithm>

#include "data/metrics/metrics.h"

namespace edgesmith::data {
namespace {

constexpr int64_t kMostMiouClasses = 150;
constexpr int64_t kIgnoredPixel = 255;            // of PASCAL VOC, Cityscapes and most others since
constexpr int kMiouWidth = 3 * kMostMiouClasses;  // pixels by class: labelled, answered, both

/// Classes of the pixels: the output itself when it holds integers, else the largest score along axis 1.
/// Errors: invalid (another shape, a label of no class of the scores).
Result<std::vector<int64_t>> pixel_classes(const ir::Tensor& output, std::span<const int64_t> labels) {
  const auto pixels = static_cast<int64_t>(labels.size());
  if (ir::is_integer(output.dtype()) && output.size() == pixels) return output.to_int64s();
  if (output.rank() < 3 || output.dims()[1] < 2 || output.size() != pixels * output.dims()[1]) {
    return invalid_error(
        "the first output is " + output.type().text() + " for a label of " + std::to_string(pixels) + " pixels",
        "miou wants scores [N,C,H,W] or classes [N,H,W]");
  }
  const std::vector<float> scores = output.to_floats();
  const auto classes = static_cast<size_t>(output.dims()[1]), count = static_cast<size_t>(pixels);
  std::vector<int64_t> found(count);
  for (const int64_t label : labels) {
    if (label == kIgnoredPixel || label < output.dims()[1]) continue;
    return invalid_error("a pixel's label is " + std::to_string(label) + ", the output has classes 0 to " +
                             std::to_string(output.dims()[1] - 1),
                         "255 marks pixels that do not count");
  }
  std::vector<float> at(classes);
  for (size_t i = 0; i < count; ++i) {
    for (size_t c = 0; c < classes; ++c) at[c] = scores[c * count + i];
    found[i] = arg_max(at);
  }
  return found;
}

Status sample_miou(std::span<const ir::Tensor> outputs, std::span<const ir::Tensor>, const Sample& sample,
                   std::span<double> numbers) {
  if (outputs.empty()) return invalid_error("the model has no outputs");
  if (sample.targets.empty() || !sample.targets[0].valid() || !ir::is_integer(sample.targets[0].dtype())) {
    return invalid_error("the sample has no classes of its pixels", "give an integer array y [N,H,W]");
  }
  const std::vector<int64_t> labels = sample.targets[0].to_int64s();
  auto found = pixel_classes(outputs[0], labels);
  if (!found) return found.error();
  std::fill(numbers.begin(), numbers.end(), 0.0);
  const auto count = [&](int64_t label, int part) {
    numbers[static_cast<size_t>(part * kMostMiouClasses + label)] += 1;
  };
  for (size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] == kIgnoredPixel) continue;
    const int64_t largest = std::max(labels[i], (*found)[i]);
    if (labels[i] < 0 || largest >= kMostMiouClasses) {
      return unsupported_error("miou is for classes 0 to " + std::to_string(kMostMiouClasses - 1) + ", there is " +
                                   std::to_string(labels[i] < 0 ? labels[i] : largest),
                               "255 marks pixels that do not count");
    }
    count(labels[i], 0);
    if ((*found)[i] >= 0) count((*found)[i], 1);  // -1: NaN among the scores
    if ((*found)[i] == labels[i]) count(labels[i], 2);
  }
  return {};
}

double combine_miou(std::span<const double> numbers, int width) {
  EDGESMITH_CHECK(width == kMiouWidth);
  std::vector<double> sums(kMiouWidth, 0.0);
  for (size_t i = 0; i < numbers.size(); ++i) sums[i % kMiouWidth] += numbers[i];
  double sum = 0, used = 0;
  for (size_t c = 0; c < kMostMiouClasses; ++c) {
    const double both = sums[2 * kMostMiouClasses + c], either = sums[c] + sums[kMostMiouClasses + c] - both;
    if (either == 0) continue;
    sum += both / either;
    used += 1;
  }
  return used > 0 ? sum / used : 0;
}

bool has_pixel(std::span<const double> numbers, int) {
  return std::any_of(numbers.begin(), numbers.end(), [](double count) { return count > 0; });
}

}  // namespace

MetricInfo miou() {
  return {"miou",       "mean intersection over union of a segmentation's classes",
          "",           true,
          true,         false,
          kMiouWidth,   sample_miou,
          combine_miou, has_pixel};
}

}  // namespace edgesmith::data
