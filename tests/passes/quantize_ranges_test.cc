// SPDX-License-Identifier: Apache-2.0
// Ranges and the codes that cover them; histograms; calibrators on distributions whose best range is known.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "edgesmith/base/random.h"
#include "edgesmith/ir/quant.h"
#include "passes/quantize/calibrators.h"
#include "passes/quantize/histogram.h"
#include "passes/quantize/range.h"

namespace edgesmith::passes::quantize {
namespace {

using ir::DType;

float real_of(const ir::Quant& quant, float real) {
  const int32_t code = ir::quantize_value(real, quant.scale[0], quant.zero_point[0], quant.dtype);
  return static_cast<float>(code - quant.zero_point[0]) * quant.scale[0];
}

Observations observe(const std::vector<float>& values) {
  Observations observed;
  observed.extremes = {*std::min_element(values.begin(), values.end()),
                       *std::max_element(values.begin(), values.end())};
  observed.moving_average = observed.extremes;
  Distribution distribution;
  distribution.add(values, observed.extremes);
  observed.histogram = Histogram(distribution, observed.extremes.joined({0, 0}));
  return observed;
}

std::vector<float> gauss(int count, uint64_t seed, double sigma = 1) {
  Random random(seed);
  std::vector<float> values;
  for (int i = 0; i < count; ++i) values.push_back(static_cast<float>(sigma * random.normal()));
  return values;
}

double mean_squared_error(const std::vector<float>& values, Range range) {
  const ir::Quant quant = activation_quant(range, {}, DType::u8, "");
  double sum = 0;
  for (const float value : values) sum += std::pow(static_cast<double>(value) - real_of(quant, value), 2);
  return sum / static_cast<double>(values.size());
}

TEST(ActivationQuant, HoldsZeroExactlyAndBothEndsOfAnyRange) {
  Random random(7);
  for (int trial = 0; trial < 2000; ++trial) {
    const auto a = static_cast<float>(random.normal() * std::pow(10, random.uniform() * 8 - 4));
    const auto b = static_cast<float>(random.normal() * std::pow(10, random.uniform() * 8 - 4));
    for (const DType dtype : {DType::u8, DType::i8}) {
      const ir::Quant quant = activation_quant({std::min(a, b), std::max(a, b)}, {}, dtype, "");
      EXPECT_EQ(real_of(quant, 0.0f), 0.0f);
      const Range codes = code_range(quant);
      const Range wanted = Range{std::min(a, b), std::max(a, b)}.joined({0, 0});
      EXPECT_LE(std::fabs(real_of(quant, wanted.min) - wanted.min), 0.5001f * quant.scale[0])
          << wanted.min << " " << wanted.max;
      EXPECT_LE(std::fabs(real_of(quant, wanted.max) - wanted.max), 0.5001f * quant.scale[0])
          << wanted.min << " " << wanted.max;
      EXPECT_LE(codes.width(), 1.01f * wanted.width());
    }
  }
}

TEST(ActivationQuant, AfterReluZeroIsTheLowestCode) {
  for (const float max : {0.001f, 1.0f, 3.7f, 1234.5f}) {
    EXPECT_EQ(activation_quant({0, max}, {.min = 0}, DType::u8, "").zero_point[0], 0);
    EXPECT_EQ(activation_quant({0, max}, {.min = 0}, DType::i8, "").zero_point[0], -128);
    EXPECT_EQ(activation_quant({-max, max}, {.min = 0}, DType::u8, "").zero_point[0], 0);
  }
}

TEST(ActivationQuant, NoCodeLiesBeyondAClamp) {
  for (const float limit : {6.0f, 1.0f, 20.0f, 0.3f, 7.1f}) {
    for (const float seen : {0.1f, 1.0f, 5.9f, 6.0f, 100.0f}) {
      for (const float below : {0.0f, -1.0f, -0.37f}) {
        const Bounds bounds{.min = below, .max = limit};
        const Range codes = code_range(activation_quant({below, seen}, bounds, DType::u8, ""));
        EXPECT_LE(codes.max, limit);
        EXPECT_GE(codes.min, below);
      }
    }
  }
}

TEST(ActivationQuant, AConstantIsExactAndARangeOfNoWidthIsSafe) {
  const ir::Quant positive = activation_quant({5.3f, 5.3f}, {}, DType::u8, "");
  EXPECT_FLOAT_EQ(real_of(positive, 5.3f), 5.3f);
  const ir::Quant negative = activation_quant({-5.3f, -5.3f}, {}, DType::u8, "");
  EXPECT_FLOAT_EQ(real_of(negative, -5.3f), -5.3f);
  for (const Range range : {Range{0, 0}, Range{0, 1e-40f}, Range{-1e-38f, 0}}) {
    const ir::Quant quant = activation_quant(range, {.min = 0}, DType::u8, "");
    EXPECT_EQ(quant.scale[0], 1.0f);
    EXPECT_EQ(real_of(quant, 0), 0);
  }
}

TEST(ActivationQuant, SymmetricCodesHaveZeroPointZeroAndHoldBothEnds) {
  for (const Range& range : {Range{-1, 3}, Range{-3, 1}, Range{0, 2}, Range{-2, 0}, Range{0, 0}, Range{5, 6}}) {
    const ir::Quant quant = activation_quant(range, {}, DType::i8, "", true);
    EXPECT_EQ(quant.zero_point[0], 0);
    const Range codes = code_range(quant);
    EXPECT_LE(codes.min, range.min);
    EXPECT_GE(codes.max, range.max * (1 - 1e-6f));
    if (range.magnitude() > 0) {
      EXPECT_FLOAT_EQ(quant.scale[0], range.magnitude() / 127);
    }
  }
  // A clamp is respected where the range was cut, not by the codes: the runtime keeps the clamp.
  EXPECT_FLOAT_EQ(activation_quant({-9, 9}, {.min = 0, .max = 6}, DType::i8, "", true).scale[0], 6.0f / 127);
}

Range ends_of(std::span<const float> values) {
  return {*std::min_element(values.begin(), values.end()), *std::max_element(values.begin(), values.end())};
}

TEST(Distribution, OfAnySplitInAnyOrderIsThatOfTheWhole) {
  std::vector<float> values = gauss(10000, 3);
  values.insert(values.end(), {0, -0.0f, 40, -1000, 1e-30f});
  const std::span<const float> all(values);
  Distribution whole;
  whole.add(all, ends_of(all));
  EXPECT_EQ(whole.total(), values.size());
  EXPECT_EQ(whole.zeros(), 2u);
  for (const std::vector<size_t>& cuts :
       {std::vector<size_t>{0, 10, 900, 5000, 10005}, {0, 9999, 10001, 10003, 10005}}) {
    Distribution forward, backward;
    for (size_t i = 0; i + 1 < cuts.size(); ++i) {
      const auto part = all.subspan(cuts[i], cuts[i + 1] - cuts[i]);
      const size_t j = cuts.size() - 2 - i;
      const auto other = all.subspan(cuts[j], cuts[j + 1] - cuts[j]);
      forward.add(part, ends_of(part));
      Distribution own;
      own.add(other, ends_of(other));
      backward.merge(own);
    }
    for (const Distribution* one : {&forward, &backward}) {
      EXPECT_EQ(one->counts(), whole.counts());
      EXPECT_EQ(one->lower(0), whole.lower(0));
      EXPECT_EQ(one->lower(1), whole.lower(1));
      EXPECT_EQ(one->total(), whole.total());
      EXPECT_EQ(one->zeros(), whole.zeros());
    }
  }
}

TEST(Distribution, EveryNumberLiesInItsBin) {
  for (const std::vector<float>& values :
       {std::vector<float>{-1, 1}, {0.3f}, {-1e-44f}, {3e38f, -3e38f}, {1024, 2047, 2048}}) {
    for (const float value : values) {
      Distribution distribution;
      distribution.add(values, ends_of(values));
      Distribution one;
      one.merge(distribution);
      size_t found = 0;
      for (size_t bin = 0; bin < one.counts().size(); ++bin) {
        const auto at = static_cast<int64_t>(bin);
        if (one.lower(at) <= value && value < one.lower(at + 1)) found = one.counts()[bin];
      }
      EXPECT_GE(found, 1u) << value;
    }
  }
}

TEST(Histogram, KeepsAllCountsAndTheEndsInside) {
  const std::vector<float> values = {0, -0.0f, -1, 1, 0.5f};
  Distribution distribution;
  distribution.add(values, {-1, 1});
  for (const Range range : {Range{-1, 1}, Range{-1.3f, 1.1f}}) {
    const Histogram histogram(distribution, range);
    EXPECT_EQ(histogram.zeros(), 2);
    EXPECT_EQ(histogram.total(), 5);
    double sum = 0;
    for (const double count : histogram.counts()) sum += count;
    EXPECT_NEAR(sum, 3, 1e-9);
  }
  const Histogram histogram(distribution, {-1, 1});
  EXPECT_NEAR(histogram.counts()[0] + histogram.counts()[1], 1, 1e-9);
  EXPECT_NEAR(histogram.counts().back(), 1, 1e-9);
}

TEST(Calibrators, AllPickRangesWithinTheExtremesThatHoldZero) {
  std::vector<std::vector<float>> data = {gauss(5000, 1), gauss(5000, 2, 1e-6), {1, 2, 3}, {-3, -2}, {0, 0, 0}, {4}};
  for (float& value : data[0]) value = std::max(value, 0.0f);
  for (const auto& values : data) {
    const Observations observed = observe(values);
    for (const CalibratorInfo& calibrator : all_calibrators()) {
      const Range range = calibrator.pick(observed, {});
      EXPECT_LE(range.min, 0) << calibrator.name;
      EXPECT_GE(range.max, 0) << calibrator.name;
      EXPECT_GE(range.min, std::min(0.0f, observed.extremes.min)) << calibrator.name;
      EXPECT_LE(range.max, std::max(0.0f, observed.extremes.max)) << calibrator.name;
    }
  }
}

TEST(Calibrators, PercentileCutsTheShareThatWasAsked) {
  std::vector<float> values = gauss(100000, 5);
  const Range range = pick_percentile(observe(values), {.percentile = 99});
  std::sort(values.begin(), values.end());
  EXPECT_NEAR(range.min, values[500], 0.02);
  EXPECT_NEAR(range.max, values[values.size() - 500], 0.02);
  for (float& value : values) value = std::fabs(value);
  std::sort(values.begin(), values.end());
  const Range one_sided = pick_percentile(observe(values), {.percentile = 99});
  EXPECT_EQ(one_sided.min, 0);
  EXPECT_NEAR(one_sided.max, values[values.size() - 1000], 0.02);
}

TEST(Calibrators, MseIsAsGoodAsTheBestOfAFineGridOnHeavyTails) {
  std::vector<float> values;
  Random random(11);
  for (int i = 0; i < 40000; ++i) {  // Laplace, one end cut by a Relu
    const double u = random.uniform() - 0.5;
    values.push_back(static_cast<float>(std::max(0.0, (u < 0 ? 1 : -1) * std::log(1 - 2 * std::fabs(u)))));
  }
  const Observations observed = observe(values);
  double best = 1e30;
  for (int i = 1; i <= 400; ++i) {
    const float end = observed.extremes.max * static_cast<float>(i) / 400;
    best = std::min(best, mean_squared_error(values, {0, end}));
  }
  const Range range = pick_mse(observed, {});
  EXPECT_LT(mean_squared_error(values, range), 1.05 * best);
  EXPECT_LE(mean_squared_error(values, range), mean_squared_error(values, observed.extremes));
}

TEST(Calibrators, MseCountsTheStepsOfSymmetricCodes) {
  // After a Relu half of the symmetric codes are wasted: the step is twice as wide, so more is clipped.
  std::vector<float> values;
  Random random(12);
  for (int i = 0; i < 40000; ++i) values.push_back(static_cast<float>(-std::log(1 - random.uniform())));
  const Observations observed = observe(values);
  const Range plain = pick_mse(observed, {}), symmetric = pick_mse(observed, {.symmetric = true});
  EXPECT_LT(symmetric.max, plain.max);
  const auto error = [&](float max) {
    return observed.histogram.squared_error(code_range(activation_quant({0, max}, {}, DType::i8, "", true)), 255);
  };
  double best = error(observed.extremes.max);
  for (double share = 0.1; share <= 1; share += 0.01) {
    best = std::min(best, error(static_cast<float>(observed.extremes.max * share)));
  }
  EXPECT_LE(error(symmetric.max), 1.02 * best);
  EXPECT_GT(error(plain.max), error(symmetric.max));
  // Entropy has half the codes too.
  EXPECT_NE(pick_entropy(observed, {}).max, pick_entropy(observed, {.symmetric = true}).max);
}

TEST(Calibrators, OneSpikeIsClippedByMseAndPercentileButNotByMinMax) {
  std::vector<float> values = gauss(1000000, 9);
  values[500] = 60;
  const Observations observed = observe(values);
  EXPECT_EQ(pick_min_max(observed, {}).max, 60);
  EXPECT_LT(pick_percentile(observed, {}).max, 6);
  EXPECT_LT(pick_mse(observed, {}).max, 30);
}

TEST(Calibrators, UniformValuesKeepTheirWholeRange) {
  std::vector<float> values;
  for (int i = 0; i < 50000; ++i) values.push_back(-1 + 3.0f * static_cast<float>(i) / 49999);
  const Observations observed = observe(values);
  for (const auto& pick : {pick_mse, pick_entropy}) {
    const Range range = pick(observed, {});
    EXPECT_GT(range.width(), 0.98 * observed.extremes.width());
  }
}

// ncnn issue 2973: a Kullback-Leibler calibrator took 0.38 for a value whose maximum is 2.57.
TEST(Calibrators, EntropyDoesNotCutThePictureOfAFlatInput) {
  Random random(21);
  std::vector<float> values;
  for (int i = 0; i < 100000; ++i) values.push_back(static_cast<float>(random.uniform() * 4.69 - 2.12));
  const Range range = pick_entropy(observe(values), {});
  EXPECT_GT(range.max, 2.5);
  EXPECT_LT(range.min, -2.0);
}

TEST(Calibrators, EntropyClipsALongTail) {
  std::vector<float> values = gauss(200000, 13);
  for (int i = 0; i < 20; ++i) values.push_back(30.0f + static_cast<float>(i));
  EXPECT_LT(pick_entropy(observe(values), {}).max, 25);
}

}  // namespace
}  // namespace edgesmith::passes::quantize
