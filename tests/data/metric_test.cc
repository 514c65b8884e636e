// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/data/metric.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "edgesmith/base/random.h"

namespace edgesmith::data {
namespace {

using Tensors = std::vector<ir::Tensor>;

ir::Tensor row(std::vector<float> values) {
  const auto count = static_cast<int64_t>(values.size());
  return ir::Tensor::of<float>({1, count}, values);
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

// The numbers of one sample; fails the test on an error.
std::vector<double> numbers_of(std::string_view name, const Tensors& outputs, const Tensors& reference,
                               const Sample& sample) {
  const MetricInfo& metric = *find_metric(name);
  std::vector<double> numbers(static_cast<size_t>(metric.width));
  const Status status = metric.sample(outputs, reference, sample, numbers);
  EXPECT_TRUE(status.ok()) << status.error().text();
  return numbers;
}

Error error_of(std::string_view name, const Tensors& outputs, const Tensors& reference, const Sample& sample) {
  const MetricInfo& metric = *find_metric(name);
  std::vector<double> numbers(static_cast<size_t>(metric.width));
  const Status status = metric.sample(outputs, reference, sample, numbers);
  EXPECT_FALSE(status.ok());
  return status.ok() ? Error() : status.error();
}

double combined(std::string_view name, const std::vector<std::vector<double>>& rows) {
  const MetricInfo& metric = *find_metric(name);
  std::vector<double> all;
  for (const auto& numbers : rows) all.insert(all.end(), numbers.begin(), numbers.end());
  return metric.combine(all, metric.width);
}

TEST(Metric, NamesAreDistinctAndFound) {
  std::set<std::string_view> names;
  for (const MetricInfo& metric : all_metrics()) {
    EXPECT_TRUE(names.insert(metric.name).second) << metric.name;
    EXPECT_EQ(find_metric(metric.name), &metric);
    EXPECT_GE(metric.width, 1);
  }
  EXPECT_EQ(find_metric("top-1"), nullptr);
}

TEST(Top1, CountsTheLargestScoreAndTheFirstOfEquals) {
  EXPECT_EQ(numbers_of("top1", {row({0, 3, 1})}, {}, labelled(1))[0], 1);
  EXPECT_EQ(numbers_of("top1", {row({3, 3, 1})}, {}, labelled(0))[0], 1);
  EXPECT_EQ(numbers_of("top1", {row({3, 3, 1})}, {}, labelled(1))[0], 0);
  EXPECT_DOUBLE_EQ(combined("top1", {{1}, {0}, {1}, {1}}), 75);
}

TEST(Top1, TakesScoresLeftByAGlobalPool) {
  EXPECT_EQ(numbers_of("top1", {ir::Tensor::of<float>({1, 3, 1, 1}, std::vector<float>{0, 1, 5})}, {}, labelled(2))[0],
            1);
}

TEST(Top1, CallsAnOutputWithNanWrong) {
  EXPECT_EQ(numbers_of("top1", {row({NAN, 3, 1})}, {}, labelled(0))[0], 0);
  EXPECT_EQ(numbers_of("top1", {row({0, 3, NAN})}, {}, labelled(1))[0], 0);
}

TEST(Top1, SaysWhatIsMissing) {
  EXPECT_NE(error_of("top1", {row({1, 2})}, {}, labelled(-1)).message.find("no label"), std::string::npos);
  EXPECT_NE(error_of("top1", {row({1, 2})}, {}, labelled(2)).message.find("label 2 is not in 0 to 1"),
            std::string::npos);
  EXPECT_EQ(error_of("top1", {ir::Tensor::zeros(ir::DType::f32, {1, 4, 8, 8})}, {}, labelled(0)).kind,
            ErrorKind::unsupported);
  EXPECT_EQ(error_of("top1", {row({1})}, {}, labelled(0)).kind, ErrorKind::unsupported);
}

TEST(Top5, CountsTheFiveLargestScores) {
  const Tensors outputs = {row({7, 6, 5, 4, 3, 2, 3})};
  EXPECT_EQ(numbers_of("top5", outputs, {}, labelled(4))[0], 1);
  EXPECT_EQ(numbers_of("top5", outputs, {}, labelled(6))[0], 0);  // as large as number 4, but behind it
  EXPECT_EQ(numbers_of("top5", outputs, {}, labelled(5))[0], 0);
  EXPECT_EQ(numbers_of("top5", {row({1, 2, 3})}, {}, labelled(0))[0], 1);
}

// The definition: pairs of one positive and one negative, ties counting half.
double brute_force_area(const std::vector<double>& scores, const std::vector<bool>& positive) {
  double won = 0, pairs = 0;
  for (size_t i = 0; i < scores.size(); ++i) {
    for (size_t j = 0; j < scores.size(); ++j) {
      if (!positive[i] || positive[j]) continue;
      won += scores[i] > scores[j] ? 1 : scores[i] == scores[j] ? 0.5 : 0;
      pairs += 1;
    }
  }
  return won / pairs;
}

TEST(Auc, EqualsTheShareOfOrderedPairs) {
  Random random(1);
  std::vector<std::vector<double>> one, two;
  std::vector<double> scores;
  std::vector<bool> positive;
  for (int i = 0; i < 60; ++i) {
    const auto score = static_cast<float>(random.below(12));  // many ties
    positive.push_back(random.below(3) == 0);
    scores.push_back(score);
    one.push_back(numbers_of("auc", {row({score})}, {}, labelled(positive.back() ? 1 : 0)));
    two.push_back(numbers_of("auc", {row({-score, 1})}, {}, labelled(positive.back() ? 1 : 0)));
  }
  EXPECT_NEAR(combined("auc", one), brute_force_area(scores, positive), 1e-12);
  EXPECT_NEAR(combined("auc", two), brute_force_area(scores, positive), 1e-12);
}

TEST(Auc, IsTheMeanOverMoreThanTwoClasses) {
  Random random(2);
  std::vector<std::vector<double>> rows;
  std::vector<std::vector<double>> scores(3);
  std::vector<int64_t> labels;
  for (int i = 0; i < 50; ++i) {
    std::vector<float> values;
    for (auto& column : scores) {
      values.push_back(static_cast<float>(random.below(20)));
      column.push_back(values.back());
    }
    labels.push_back(static_cast<int64_t>(random.below(3)));
    rows.push_back(numbers_of("auc", {row(values)}, {}, labelled(labels.back())));
  }
  double sum = 0;
  for (int64_t c = 0; c < 3; ++c) {
    std::vector<bool> positive;
    for (const int64_t label : labels) positive.push_back(label == c);
    sum += brute_force_area(scores[static_cast<size_t>(c)], positive);
  }
  EXPECT_NEAR(combined("auc", rows), sum / 3, 1e-12);
}

TEST(Auc, RefusesManyClasses) {
  EXPECT_EQ(error_of("auc", {row(std::vector<float>(33, 0))}, {}, labelled(0)).kind, ErrorKind::unsupported);
}

TEST(MseAndMae, AreMeansOverTheElements) {
  const Sample sample = with_target(ir::Tensor::of<float>({2, 2}, std::vector<float>{0, 0, 0, 0}));
  EXPECT_DOUBLE_EQ(numbers_of("mse", {row({1, -2, 3, 0})}, {}, sample)[0], 14.0 / 4);
  EXPECT_DOUBLE_EQ(numbers_of("mae", {row({1, -2, 3, 0})}, {}, sample)[0], 6.0 / 4);
  EXPECT_NE(error_of("mse", {row({1, 2, 3})}, {}, sample).message.find("f32[1,3], its target is f32[2,2]"),
            std::string::npos);
  EXPECT_NE(error_of("mae", {row({1})}, {}, labelled(0)).message.find("no expected outputs"), std::string::npos);
}

TEST(Psnr, TakesThePeakFromTheTargets) {
  // mse 0.01 with peak 1: 20 dB. mse 100 with peak 255: 10 log10(255^2 / 100) = 28.1308 dB.
  const auto unit = numbers_of("psnr", {row({0.9f, 0.1f})}, {}, with_target(row({1, 0})));
  EXPECT_NEAR(combined("psnr", {unit}), 20, 1e-5);
  const auto bytes = numbers_of("psnr", {row({190, 110})}, {}, with_target(row({200, 100})));
  EXPECT_NEAR(combined("psnr", {bytes}), 28.1308, 1e-4);
  EXPECT_EQ(combined("psnr", {numbers_of("psnr", {row({1, 0})}, {}, with_target(row({1, 0})))}), 200);
}

TEST(Agreement, ComparesAnswersAlongTheClasses) {
  EXPECT_EQ(numbers_of("agreement", {row({1, 2})}, {row({3, 4})}, {})[0], 1);
  EXPECT_EQ(numbers_of("agreement", {row({2, 1})}, {row({3, 4})}, {})[0], 0);
  // Two tokens, three classes: one answer differs.
  const auto a = ir::Tensor::of<float>({1, 2, 3}, std::vector<float>{1, 0, 0, 0, 1, 0});
  const auto b = ir::Tensor::of<float>({1, 2, 3}, std::vector<float>{1, 0, 0, 0, 0, 1});
  EXPECT_EQ(numbers_of("agreement", {a}, {b}, {})[0], 0.5);
  // Two classes over 1 x 4 pixels: answers 0 1 1 0 and 0 1 0 0.
  const auto c = ir::Tensor::of<float>({1, 2, 1, 4}, std::vector<float>{5, 1, 1, 5, 2, 2, 2, 2});
  const auto d = ir::Tensor::of<float>({1, 2, 1, 4}, std::vector<float>{5, 1, 5, 5, 2, 2, 2, 2});
  EXPECT_EQ(numbers_of("agreement", {c}, {d}, {})[0], 0.75);
  const auto ids = ir::Tensor::of<int64_t>({2}, std::vector<int64_t>{4, 5});
  EXPECT_EQ(numbers_of("agreement", {ids}, {ir::Tensor::of<int64_t>({2}, std::vector<int64_t>{4, 6})}, {})[0], 0.5);
  EXPECT_EQ(error_of("agreement", {row({1})}, {row({2})}, {}).kind, ErrorKind::unsupported);
}

TEST(Cosine, IsOneForParallelAndWorstForNan) {
  EXPECT_DOUBLE_EQ(numbers_of("cosine", {row({2, 4})}, {row({1, 2})}, {})[0], 1);
  EXPECT_DOUBLE_EQ(numbers_of("cosine", {row({0, 3})}, {row({2, 0})}, {})[0], 0);
  EXPECT_NEAR(numbers_of("cosine", {row({1}), row({1})}, {row({1}), row({0})}, {})[0], std::sqrt(0.5), 1e-12);
  EXPECT_DOUBLE_EQ(numbers_of("cosine", {row({0, 0})}, {row({0, 0})}, {})[0], 1);
  EXPECT_DOUBLE_EQ(numbers_of("cosine", {row({NAN, 0})}, {row({1, 0})}, {})[0], -1);
}

TEST(Sqnr, IsOneRatioOverAllSamples) {
  const auto first = numbers_of("sqnr", {row({3, 4.5f})}, {row({3, 4})}, {});
  const auto second = numbers_of("sqnr", {row({0, 10})}, {row({0, 10})}, {});
  EXPECT_NEAR(combined("sqnr", {first, second}), 10 * std::log10(125 / 0.25), 1e-9);
  EXPECT_EQ(combined("sqnr", {second}), 200);
  EXPECT_EQ(combined("sqnr", {numbers_of("sqnr", {row({NAN})}, {row({1})}, {})}), -200);
  // Equal infinities (masks) are no noise.
  EXPECT_EQ(combined("sqnr", {numbers_of("sqnr", {row({-HUGE_VALF, 1})}, {row({-HUGE_VALF, 1})}, {})}), 200);
}

TEST(Sqnr, LeavesIntegersOutBesideFloats) {
  const auto ids = [](int64_t id) { return ir::Tensor::of<int64_t>({1}, std::vector<int64_t>{id}); };
  EXPECT_EQ(combined("sqnr", {numbers_of("sqnr", {row({1}), ids(3)}, {row({1}), ids(4)}, {})}), 200);
}

TEST(MaxAbs, IsTheLargestDifference) {
  EXPECT_EQ(combined("max_abs", {numbers_of("max_abs", {row({1, 2})}, {row({1, 5})}, {}),
                                 numbers_of("max_abs", {row({1, 2})}, {row({2, 2})}, {})}),
            3);
  EXPECT_NE(error_of("max_abs", {row({1})}, {row({1, 2})}, {}).message.find("f32[1,1], the reference's is f32[1,2]"),
            std::string::npos);
}

// Pairs of 0/1 numbers: both right, only a, only b, neither.
std::pair<std::vector<double>, std::vector<double>> pairs(int both, int first, int second, int neither) {
  std::pair<std::vector<double>, std::vector<double>> out;
  const auto add = [&](int count, double a, double b) {
    out.first.insert(out.first.end(), static_cast<size_t>(count), a);
    out.second.insert(out.second.end(), static_cast<size_t>(count), b);
  };
  add(both, 1, 1);
  add(first, 1, 0);
  add(second, 0, 1);
  add(neither, 0, 0);
  return out;
}

// Newcombe 1998, table II, method 10: 36, 12, 2, 0 of 50 gives 0.2 (0.0569 to 0.3404). Altman, "Statistics with
// Confidence" (2000), page 52: 20, 12, 2, 16 gives 0.2 (0.056 to 0.329). The others by the formula in NumPy.
TEST(PairedDifference, OfProportionsIsNewcombesMethod10) {
  const struct {
    int counts[4];
    double drop, low, high;
  } cases[] = {
      {{36, 12, 2, 0}, 20, 5.69296, 34.04276},  {{20, 12, 2, 16}, 20, 5.61564, 32.92070},
      {{36, 12, 0, 2}, 24, 11.44080, 37.34956}, {{53, 0, 0, 1}, 0, -7.29381, 7.29381},
      {{1, 97, 1, 1}, 96, 87.36722, 98.50258},  {{98, 0, 2, 0}, -2, -7.00118, 1.97330},
  };
  for (const auto& one : cases) {
    const auto [a, b] = pairs(one.counts[0], one.counts[1], one.counts[2], one.counts[3]);
    const PairedDifference found = paired_difference(*find_metric("top1"), a, b);
    EXPECT_NEAR(found.drop, one.drop, 1e-9);
    EXPECT_NEAR(found.ci95[0], one.low, 1e-4);
    EXPECT_NEAR(found.ci95[1], one.high, 1e-4);
  }
}

// By hand: differences b - a are 1, 2, 3, 4: mean 2.5, sd 1.290994, half width 1.959964 * 1.290994 / 2 = 1.265151.
TEST(PairedDifference, OfMeansIsNormalAndPositiveWhenWorse) {
  const PairedDifference found =
      paired_difference(*find_metric("mse"), std::vector<double>{1, 1, 1, 1}, std::vector<double>{2, 3, 4, 5});
  EXPECT_DOUBLE_EQ(found.drop, 2.5);
  EXPECT_NEAR(found.ci95[0], 2.5 - 1.265151, 1e-5);
  EXPECT_NEAR(found.ci95[1], 2.5 + 1.265151, 1e-5);
}

// Errors that are all 0 are not 0 of 40 right answers, and no difference has no sign.
TEST(PairedDifference, OfErrorsWithoutSpreadIsNoShare) {
  const std::vector<double> none(40, 0.0);
  const PairedDifference found = paired_difference(*find_metric("mse"), none, none);
  for (const double number : {found.drop, found.ci95[0], found.ci95[1]}) {
    EXPECT_EQ(number, 0);
    EXPECT_FALSE(std::signbit(number));
  }
  double interval[2];
  metric_interval(*find_metric("mse"), none, interval);
  EXPECT_EQ(interval[0], 0);
  EXPECT_EQ(interval[1], 0);
}

TEST(PairedDifference, OfOneSampleKnowsNothing) {
  const PairedDifference found = paired_difference(*find_metric("mse"), std::vector<double>{1}, std::vector<double>{2});
  EXPECT_DOUBLE_EQ(found.drop, 1);
  EXPECT_EQ(found.ci95[0], -HUGE_VAL);
  EXPECT_EQ(found.ci95[1], HUGE_VAL);
}

// SQNR has no formula: the bootstrap must be the same each time, hold the estimate, and be about as wide as the spread
// of the estimate over fresh samples.
TEST(PairedDifference, OfRatiosIsASeededBootstrap) {
  Random random(3);
  const auto draw = [&](double noise) {
    std::vector<double> numbers;
    for (int i = 0; i < 200; ++i) {
      numbers.push_back(1 + 0.5 * random.uniform());
      numbers.push_back(noise * (0.5 + random.uniform()));
    }
    return numbers;
  };
  const MetricInfo& sqnr = *find_metric("sqnr");
  const auto a = draw(0.001), b = draw(0.002);
  const PairedDifference found = paired_difference(sqnr, a, b), again = paired_difference(sqnr, a, b);
  EXPECT_EQ(found.ci95[0], again.ci95[0]);
  EXPECT_EQ(found.ci95[1], again.ci95[1]);
  EXPECT_NEAR(found.drop, 3.01, 0.2);
  EXPECT_LT(found.ci95[0], found.drop);
  EXPECT_GT(found.ci95[1], found.drop);
  std::vector<double> fresh;
  for (int i = 0; i < 300; ++i) fresh.push_back(sqnr.combine(draw(0.001), 2) - sqnr.combine(draw(0.002), 2));
  double mean = 0, squares = 0;
  for (const double x : fresh) mean += x / 300;
  for (const double x : fresh) squares += (x - mean) * (x - mean) / 299;
  const double width = 2 * 1.96 * std::sqrt(squares);
  EXPECT_NEAR(found.ci95[1] - found.ci95[0], width, 0.25 * width);
}

// Wilson's interval, by the formula in NumPy: 8 of 10 gives 0.490162 to 0.943318; 0 of 10 gives 0 to 0.277533.
TEST(MetricInterval, IsWilsonsForProportions) {
  double interval[2];
  metric_interval(*find_metric("top1"), pairs(8, 0, 0, 2).first, interval);
  EXPECT_NEAR(interval[0], 49.0162, 1e-3);
  EXPECT_NEAR(interval[1], 94.3318, 1e-3);
  metric_interval(*find_metric("top1"), pairs(0, 0, 0, 10).first, interval);
  EXPECT_NEAR(interval[0], 0, 1e-9);
  EXPECT_NEAR(interval[1], 27.7533, 1e-3);
}

}  // namespace
}  // namespace edgesmith::data
