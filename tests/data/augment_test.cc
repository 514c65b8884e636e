// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/data/augment.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <set>

#include "data/data_helper.h"

namespace edgesmith::data {
namespace {

// 1 2 3
// 4 5 6   and the same plus 10 in a second channel.
ir::Tensor picture(bool channels_last = false) {
  if (channels_last) {
    return ir::Tensor::of<float>({1, 2, 3, 2}, std::vector<float>{1, 11, 2, 12, 3, 13, 4, 14, 5, 15, 6, 16});
  }
  return ir::Tensor::of<float>({1, 2, 2, 3}, std::vector<float>{1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16});
}

std::vector<float> augmented(const Augment& augment, const AugmentKey& key, bool channels_last = false) {
  std::vector<ir::Tensor> inputs = {picture(channels_last)};
  augment_inputs(augment, key, channels_last ? "nhwc" : "nchw", inputs);
  EXPECT_EQ(inputs[0].dims(), picture(channels_last).dims());
  return inputs[0].to_floats();
}

using Pictures = std::set<std::vector<float>>;

Pictures all_of(const Augment& augment, bool channels_last = false) {
  Pictures seen;
  for (int64_t sample = 0; sample < 400; ++sample) {
    seen.insert(augmented(augment, {.seed = 3, .epoch = 0, .sample = sample}, channels_last));
  }
  return seen;
}

TEST(Augment, FlipMirrorsHalfOfThePictures) {
  EXPECT_EQ(all_of({.flip = true}),
            (Pictures{{1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16}, {3, 2, 1, 6, 5, 4, 13, 12, 11, 16, 15, 14}}));
  EXPECT_EQ(all_of({.flip = true}, /*channels_last=*/true),
            (Pictures{{1, 11, 2, 12, 3, 13, 4, 14, 5, 15, 6, 16}, {3, 13, 2, 12, 1, 11, 6, 16, 5, 15, 4, 14}}));
  int mirrored = 0;
  for (int64_t sample = 0; sample < 1000; ++sample) {
    mirrored += augmented({.flip = true}, {.seed = 1, .sample = sample})[0] == 3;
  }
  EXPECT_NEAR(mirrored, 500, 60);
}

TEST(Augment, MirrorsPicturesAndNothingElse) {
  for (const bool channels_last : {false, true}) {
    const ir::Tensor row = ir::Tensor::of<float>({1, 3}, std::vector<float>{1, 2, 3});
    std::vector<ir::Tensor> inputs = {row, picture(channels_last)}, rows = {row};
    EXPECT_TRUE(mirror_pictures(channels_last ? "nhwc" : "nchw", inputs));
    EXPECT_EQ(inputs[0].to_floats(), row.to_floats());
    const std::vector<float> across = {3, 2, 1, 6, 5, 4, 13, 12, 11, 16, 15, 14};
    const std::vector<float> last = {3, 13, 2, 12, 1, 11, 6, 16, 5, 15, 4, 14};
    EXPECT_EQ(inputs[1].to_floats(), channels_last ? last : across);
    EXPECT_FALSE(mirror_pictures("nchw", rows));
  }
}

TEST(Augment, ShiftMovesByUpToItsPixelsAndFillsWithZeros) {
  const Pictures seen = all_of({.shift = 1});
  EXPECT_EQ(seen.size(), 9U);
  EXPECT_TRUE(seen.contains({1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16}));
  EXPECT_TRUE(seen.contains({0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 11, 12}));  // down and right
  EXPECT_TRUE(seen.contains({5, 6, 0, 0, 0, 0, 15, 16, 0, 0, 0, 0}));  // up and left
  // Further than the picture is wide: nothing may be left of it.
  EXPECT_TRUE(all_of({.shift = 5}).contains(std::vector<float>(12, 0)));
}

TEST(Augment, ShiftAndFlipMoveTogether) {
  const Pictures seen = all_of({.flip = true, .shift = 1});
  EXPECT_EQ(seen.size(), 18U);
  EXPECT_TRUE(seen.contains({0, 0, 0, 0, 3, 2, 0, 0, 0, 0, 13, 12}));
}

TEST(Augment, CutoutClearsASquareThroughAllChannels) {
  const Pictures seen = all_of({.cutout = 2});
  // Squares around each of six places, cut at the border.
  EXPECT_EQ(seen.size(), 6U);
  EXPECT_TRUE(seen.contains({0, 0, 3, 0, 0, 6, 0, 0, 13, 0, 0, 16}));     // around (1, 1)
  EXPECT_TRUE(seen.contains({0, 2, 3, 4, 5, 6, 0, 12, 13, 14, 15, 16}));  // around (0, 0)
  EXPECT_TRUE(all_of({.cutout = 9}).contains(std::vector<float>(12, 0)));
}

TEST(Augment, NoiseHasItsDeviation) {
  double sum = 0, squares = 0;
  for (int64_t sample = 0; sample < 500; ++sample) {
    const std::vector<float> noisy = augmented({.noise = 0.5}, {.seed = 2, .sample = sample});
    const std::vector<float> plain = picture().to_floats();
    for (size_t i = 0; i < noisy.size(); ++i) {
      sum += noisy[i] - plain[i];
      squares += std::pow(noisy[i] - plain[i], 2);
    }
  }
  EXPECT_NEAR(sum / 6000, 0, 0.03);
  EXPECT_NEAR(std::sqrt(squares / 6000), 0.5, 0.02);
}

TEST(Augment, DependsOnSeedEpochAndSampleOnly) {
  const Augment augment{.flip = true, .shift = 1, .cutout = 1, .noise = 0.1};
  const AugmentKey key{.seed = 4, .epoch = 2, .sample = 7};
  EXPECT_EQ(augmented(augment, key), augmented(augment, key));
  EXPECT_NE(augmented(augment, key), augmented(augment, {5, 2, 7}));
  EXPECT_NE(augmented(augment, key), augmented(augment, {4, 3, 7}));
  EXPECT_NE(augmented(augment, key), augmented(augment, {4, 2, 8}));
  // One kind of change leaves the draws of the others alone.
  for (int64_t sample = 0; sample < 20; ++sample) {
    const bool alone = augmented({.flip = true}, {4, 2, sample})[0] == 3;
    EXPECT_EQ(augmented({.flip = true, .cutout = 1}, {4, 2, sample})[2] == 1 ||
                  augmented({.flip = true, .cutout = 1}, {4, 2, sample})[0] == 3,
              alone);
  }
}

/// Four pictures of one pixel, 0 to 3, with classes.
class FourPixels : public Dataset {
 public:
  int64_t size() const override { return 4; }
  bool has_labels() const override { return true; }
  Result<Sample> sample(int64_t index) const override {
    const auto number = static_cast<float>(index);
    return Sample{.inputs = {ir::Tensor::of<float>({1, 1, 1, 1}, std::vector<float>{number})},
                  .label = index,
                  .targets = {ir::Tensor::of<float>({1, 1}, std::vector<float>{number * 10})}};
  }
  std::string sample_name(int64_t index) const override { return "pixel " + std::to_string(index); }
  Result<uint64_t> fingerprint(int64_t index) const override { return static_cast<uint64_t>(index); }
  const Preprocess& preprocess() const override { return preprocess_; }
  const std::vector<std::pair<std::string, Preprocess>>& preprocess_table() const override { return table_; }

 private:
  Preprocess preprocess_;
  std::vector<std::pair<std::string, Preprocess>> table_;
};

TEST(Augment, MixupMixesPicturesTargetsAndLabels) {
  const FourPixels data;
  const std::vector<int64_t> among = {0, 2, 3};
  std::set<int64_t> others;
  double sum = 0, squares = 0;
  constexpr int kEpochs = 400;
  for (int64_t epoch = 0; epoch < kEpochs; ++epoch) {
    const auto mixed = augmented_sample(data, {.mixup = 0.5}, 9, epoch, 2, among);
    ASSERT_GOOD(mixed);
    EXPECT_EQ(mixed->sample.label, 2);
    others.insert(mixed->other_label);
    const double weight = mixed->weight;
    EXPECT_GE(weight, 0);
    EXPECT_LE(weight, 1);
    const double expected = weight * 2 + (1 - weight) * static_cast<double>(mixed->other_label);
    EXPECT_NEAR(mixed->sample.inputs[0].to_floats()[0], expected, 1e-6);
    EXPECT_NEAR(mixed->sample.targets[0].to_floats()[0], 10 * expected, 1e-5);
    sum += weight;
    squares += weight * weight;
  }
  EXPECT_EQ(others, (std::set<int64_t>{0, 2, 3}));
  // Beta(1/2, 1/2): mean 1/2, variance 1/8.
  EXPECT_NEAR(sum / kEpochs, 0.5, 0.06);
  EXPECT_NEAR(squares / kEpochs - std::pow(sum / kEpochs, 2), 0.125, 0.02);
  const auto plain = augmented_sample(data, {}, 9, 0, 2, among);
  ASSERT_GOOD(plain);
  EXPECT_EQ(plain->other_label, -1);
  EXPECT_EQ(plain->weight, 1);
}

TEST(Augment, IsReadFromText) {
  const auto all = parse_augment("flip,shift=4,cutout=8,mixup=0.2,noise=1/100");
  ASSERT_GOOD(all);
  EXPECT_TRUE(all->flip);
  EXPECT_EQ(all->shift, 4);
  EXPECT_EQ(all->cutout, 8);
  EXPECT_EQ(all->mixup, 0.2);
  EXPECT_EQ(all->noise, 0.01);
  EXPECT_EQ(all->text(), "flip,shift=4,cutout=8,mixup=0.2,noise=0.01");
  for (const char* nothing : {"", "none"}) {
    const auto none = parse_augment(nothing);
    ASSERT_GOOD(none);
    EXPECT_TRUE(none->empty());
    EXPECT_EQ(none->text(), "none");
  }
  const auto refusal = [](const char* text) {
    const auto read = parse_augment(text);
    EXPECT_FALSE(read.ok()) << text;
    if (read.ok()) return std::string();
    EXPECT_EQ(read.error().kind, ErrorKind::usage);
    return read.error().text();
  };
  EXPECT_EQ(refusal("flop"), "augment: unknown word 'flop'; did you mean 'flip'?");
  EXPECT_EQ(refusal("rotate=3"), "augment: unknown word 'rotate'; it knows flip, shift, cutout, mixup, noise");
  const std::string example = "; write it like flip,shift=4,cutout=8,mixup=0.2,noise=0.01, or none";
  EXPECT_EQ(refusal("flip=1"), "augment: flip takes no number" + example);
  EXPECT_EQ(refusal("shift"), "augment: shift takes a whole number of pixels, as in shift=4" + example);
  EXPECT_EQ(refusal("shift=1.5"), "augment: shift takes a whole number of pixels up to 65536, not '1.5'" + example);
  EXPECT_EQ(refusal("mixup=x"), "augment: mixup takes a number, not 'x'" + example);
  EXPECT_EQ(refusal("noise=-1"), "augment: noise is -1, must be above 0 and at most 1000" + example);
  EXPECT_EQ(refusal("flip,flip"), "augment: flip is there twice" + example);
  EXPECT_FALSE(parse_augment("flip,,noise=1").ok());
}

TEST(Augment, RefusesDataThatItDoesNotSuit) {
  const Sample row{.inputs = {ir::Tensor::of<float>({1, 3}, std::vector<float>{1, 2, 3})}};
  const Status flat = check_augment({.shift = 2}, row);
  ASSERT_FALSE(flat.ok());
  EXPECT_EQ(flat.error().message, "augment: shift changes pictures, the model takes f32[1,3]");
  EXPECT_TRUE(check_augment({.mixup = 0.2, .noise = 0.1}, row).ok());
  Sample map{.inputs = {picture()}, .targets = {picture()}};
  EXPECT_FALSE(check_augment({.flip = true}, map).ok());
  EXPECT_TRUE(check_augment({.cutout = 1}, map).ok());
  map.targets.clear();
  EXPECT_TRUE(check_augment({.flip = true}, map).ok());
}

}  // namespace
}  // namespace edgesmith::data
