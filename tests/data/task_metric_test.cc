// SPDX-License-Identifier: Apache-2.0
// Metrics of tasks other than plain classification: numbers worked out by hand. tests/oracle/metrics.py holds them
// against scikit-learn and pycocotools on random data.
#include <gtest/gtest.h>

#include "edgesmith/data/metric.h"

namespace edgesmith::data {
namespace {

using Tensors = std::vector<ir::Tensor>;

/// The metric over samples, given as (outputs, sample).
double value_of(std::string_view name, const std::vector<std::pair<Tensors, Sample>>& samples) {
  const MetricInfo& metric = *find_metric(name);
  std::vector<double> all;
  for (const auto& [outputs, sample] : samples) {
    std::vector<double> numbers(static_cast<size_t>(metric.width));
    const Status status = metric.sample(outputs, {}, sample, numbers);
    EXPECT_TRUE(status.ok()) << status.error().text();
    all.insert(all.end(), numbers.begin(), numbers.end());
  }
  return metric.combine(all, metric.width);
}

Error error_of(std::string_view name, const Tensors& outputs, const Sample& sample) {
  const MetricInfo& metric = *find_metric(name);
  std::vector<double> numbers(static_cast<size_t>(metric.width));
  const Status status = metric.sample(outputs, {}, sample, numbers);
  EXPECT_FALSE(status.ok());
  return status.ok() ? Error() : status.error();
}

Sample labelled(int64_t label) {
  Sample sample;
  sample.label = label;
  return sample;
}

Sample with_target(ir::Tensor target) {
  Sample sample;
  sample.targets = {std::move(target)};
  return sample;
}

ir::Tensor floats(ir::Dims dims, std::vector<float> values) { return ir::Tensor::of<float>(std::move(dims), values); }

/// Scores of three classes of which `answer` is the largest.
Tensors answer(size_t answer) {
  std::vector<float> scores(3, 0);
  scores[answer] = 1;
  return {floats({1, 3}, scores)};
}

TEST(F1, IsTheMeanOverTheClassesThatOccur) {
  // Class 0: 2 of 3 labels found, nothing else called 0: 4 / 5. Class 1: found, and once too often: 2 / 3.
  const double value = value_of(
      "f1", {{answer(0), labelled(0)}, {answer(0), labelled(0)}, {answer(1), labelled(0)}, {answer(1), labelled(1)}});
  EXPECT_DOUBLE_EQ(value, (4.0 / 5 + 2.0 / 3) / 2);
}

TEST(F1, CountsAClassThatIsOnlyAnswered) {
  EXPECT_DOUBLE_EQ(value_of("f1", {{answer(2), labelled(0)}, {answer(0), labelled(0)}}), (2.0 / 3 + 0) / 2);
}

TEST(R2, IsOneMinusTheShareOfTheSpread) {
  const auto sample = [](float have, float want) {
    return std::pair{Tensors{floats({1, 1}, {have})}, with_target(floats({1, 1}, {want}))};
  };
  EXPECT_DOUBLE_EQ(value_of("r2", {sample(1, 1), sample(2, 2), sample(3, 3)}), 1);
  EXPECT_DOUBLE_EQ(value_of("r2", {sample(2, 1), sample(2, 2), sample(2, 3)}), 0);
  EXPECT_DOUBLE_EQ(value_of("r2", {sample(1, 1), sample(2, 2), sample(4, 3)}), 1 - 1.0 / 2);
  EXPECT_DOUBLE_EQ(value_of("r2", {sample(5, 5), sample(5, 5)}), 1) << "a constant that is met";
  EXPECT_DOUBLE_EQ(value_of("r2", {sample(5, 5), sample(6, 5)}), 0) << "and one that is not";
}

TEST(R2, IsTheMeanOverTheNumbersOfASample) {
  const auto sample = [](std::vector<float> have, std::vector<float> want) {
    return std::pair{Tensors{floats({1, 2}, have)}, with_target(floats({1, 2}, want))};
  };
  EXPECT_DOUBLE_EQ(value_of("r2", {sample({1, 2}, {1, 1}), sample({3, 2}, {3, 3})}), 0.5);
  const std::vector<float> many(33, 1);
  EXPECT_EQ(error_of("r2", {floats({1, 33}, many)}, with_target(floats({1, 33}, many))).kind, ErrorKind::unsupported);
}

TEST(Miou, CountsPixelsOverAllSamples) {
  // Scores [1,2,1,3] answer 0 1 1.
  const Tensors scores = {floats({1, 2, 1, 3}, {5, 1, 1, 0, 2, 2})};
  const auto labels = [](std::vector<int64_t> pixels) {
    return with_target(ir::Tensor::of<int64_t>({1, 1, 3}, pixels));
  };
  EXPECT_DOUBLE_EQ(value_of("miou", {{scores, labels({0, 1, 1})}}), 1);
  EXPECT_DOUBLE_EQ(value_of("miou", {{scores, labels({0, 0, 1})}}), (1.0 / 2 + 1.0 / 2) / 2);
  EXPECT_DOUBLE_EQ(value_of("miou", {{scores, labels({0, 0, 1})}, {scores, labels({0, 1, 1})}}),
                   (2.0 / 3 + 3.0 / 4) / 2);
  EXPECT_DOUBLE_EQ(value_of("miou", {{scores, labels({0, 255, 1})}}), 1) << "255 does not count";
}

TEST(Miou, TakesClassesAsTheyAre) {
  const Tensors classes = {ir::Tensor::of<int64_t>({1, 2, 2}, std::vector<int64_t>{0, 1, 2, 2})};
  const Sample sample = with_target(ir::Tensor::of<int64_t>({1, 2, 2}, std::vector<int64_t>{0, 1, 2, 1}));
  EXPECT_DOUBLE_EQ(value_of("miou", {{classes, sample}}), (1 + 1.0 / 2 + 1.0 / 2) / 3);
}

TEST(Miou, SaysWhatIsMissing) {
  const Tensors scores = {floats({1, 2, 1, 3}, {5, 1, 1, 0, 2, 2})};
  EXPECT_EQ(error_of("miou", scores, labelled(1)).message, "the sample has no classes of its pixels");
  EXPECT_EQ(error_of("miou", scores, with_target(ir::Tensor::of<int64_t>({1, 2, 2}, std::vector<int64_t>(4, 0)))).kind,
            ErrorKind::invalid);
  const auto error_with = [](const Tensors& outputs, int64_t label) {
    return error_of("miou", outputs,
                    with_target(ir::Tensor::of<int64_t>({1, 1, 3}, std::vector<int64_t>{0, 0, label})));
  };
  // A label map that counts from 1 would make a class of its own.
  EXPECT_EQ(error_with(scores, 2).message, "a pixel's label is 2, the output has classes 0 to 1");
  EXPECT_EQ(error_with({ir::Tensor::of<int64_t>({1, 1, 3}, std::vector<int64_t>(3, 0))}, 200).kind,
            ErrorKind::unsupported);
}

/// Rows x1, y1, x2, y2, class.
Sample boxes(std::vector<float> rows) {
  const auto count = static_cast<int64_t>(rows.size()) / 5;
  return with_target(floats({1, count, 5}, std::move(rows)));
}
/// Rows x1, y1, x2, y2, score, class.
Tensors found(std::vector<float> rows) {
  const auto count = static_cast<int64_t>(rows.size()) / 6;
  return {floats({1, count, 6}, std::move(rows))};
}

TEST(Map, IsOneForTheLabelsThemselves) {
  EXPECT_DOUBLE_EQ(value_of("map", {{found({0, 0, 10, 10, 0.9f, 3}), boxes({0, 0, 10, 10, 3, 0, 0, 0, 0, -1})}}), 1);
}

TEST(Map, CountsThresholdsThatTheOverlapMeets) {
  // 100 of 125 pixels: met at 0.50 to 0.80, seven of ten.
  EXPECT_DOUBLE_EQ(value_of("map", {{found({0, 0, 10, 10, 1, 0}), boxes({0, 0, 12.5f, 10, 0})}}), 0.7);
}

TEST(Map, KeepsTheOrderOfTheScoresOverAllPictures) {
  // A wrong box of higher score halves the precision at every recall.
  const Tensors wrong = found({50, 50, 60, 60, 0.9f, 0}), right = found({0, 0, 10, 10, 0.8f, 0});
  const Sample one = boxes({0, 0, 10, 10, 0}), none = boxes({0, 0, 0, 0, -1});
  EXPECT_DOUBLE_EQ(value_of("map", {{wrong, none}, {right, one}}), 0.5);
  const Tensors late = found({50, 50, 60, 60, 0.1f, 0});
  EXPECT_DOUBLE_EQ(value_of("map", {{late, none}, {right, one}}), 1) << "one after the last label costs nothing";
}

TEST(Map, GivesALabelToOneBoxAndSkipsClassesWithoutLabels) {
  const Tensors twice = found({0, 0, 10, 10, 0.9f, 0, 0, 0, 10, 10, 0.8f, 0, 0, 0, 5, 5, 0.7f, 7});
  // Recall 1/2 after the first box, and no more: 51 of 101 recalls.
  EXPECT_DOUBLE_EQ(value_of("map", {{twice, boxes({0, 0, 10, 10, 0, 30, 30, 40, 40, 0})}}), 51.0 / 101);
}

TEST(Map, IsOfNothingWithoutAnyLabel) {
  const MetricInfo& metric = *find_metric("map");
  std::vector<double> numbers(static_cast<size_t>(metric.width));
  const Tensors box = found({0, 0, 10, 10, 0.9f, 0});
  ASSERT_TRUE(metric.sample(box, {}, boxes({0, 0, 0, 0, -1}), numbers).ok());
  EXPECT_FALSE(metric.measurable(numbers, metric.width));
  ASSERT_TRUE(metric.sample(box, {}, boxes({0, 0, 0, 0, -1, 0, 0, 1, 1, 3}), numbers).ok());
  EXPECT_TRUE(metric.measurable(numbers, metric.width));
}

TEST(Map, TakesThreeOutputs) {
  const Tensors three = {floats({1, 2, 4}, {0, 0, 10, 10, 0, 0, 0, 0}), floats({1, 2}, {0.9f, 0}),
                         ir::Tensor::of<int64_t>({1, 2}, std::vector<int64_t>{1, 0})};
  EXPECT_DOUBLE_EQ(value_of("map", {{three, boxes({0, 0, 10, 10, 1})}}), 1);
  EXPECT_EQ(error_of("map", answer(1), boxes({0, 0, 1, 1, 0})).kind, ErrorKind::unsupported);
  EXPECT_EQ(error_of("map", found({0, 0, 1, 1, 1, 0}), labelled(0)).message, "the sample has no labelled boxes");
}

}  // namespace
}  // namespace edgesmith::data
