// SPDX-License-Identifier: Apache-2.0
// Axes of gradients that are drawn from known ones.
#include "train/rotation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "edgesmith/base/random.h"

namespace edgesmith::train {
namespace {

double norm(const std::vector<float>& numbers) {
  return std::sqrt(std::inner_product(numbers.begin(), numbers.end(), numbers.begin(), 0.0));
}

/// Gradients of 3 x 4 numbers whose columns 0 and 1 vary together: one large, one small direction.
std::vector<float> gradient(Random& random) {
  std::vector<float> g;
  for (int row = 0; row < 3; ++row) {
    const double large = 10 * random.normal(), small = 0.1 * random.normal();
    for (const double number : {large + small, large - small, 2 * random.normal(), 0.5 * random.normal()}) {
      g.push_back(static_cast<float>(number));
    }
  }
  return g;
}

TEST(Rotation, KeepsLengthsAndGoesBack) {
  Rotation rotation(3, 4);
  Random random(1);
  std::vector<float> mean(12, 0);
  for (int64_t step = 1; step <= 80; ++step) rotation.learn(step, gradient(random), mean);
  const std::vector<float> numbers = gradient(random);
  std::vector<float> turned = numbers;
  rotation.enter(turned);
  EXPECT_NEAR(norm(turned), norm(numbers), 1e-5 * norm(numbers));
  EXPECT_GT(std::abs(turned[0] - numbers[0]), 0.01);
  rotation.leave(turned);
  for (size_t i = 0; i < numbers.size(); ++i) EXPECT_NEAR(turned[i], numbers[i], 1e-4) << i;
}

TEST(Rotation, FindsTheDirectionsOfGradients) {
  Rotation rotation(3, 4);
  Random random(2);
  std::vector<float> mean(12, 0);
  for (int64_t step = 1; step <= 400; ++step) rotation.learn(step, gradient(random), mean);
  // (a, a, 0, 0) lies along the first axis over the columns, (a, -a, 0, 0) along the last.
  for (const float sign : {1.0F, -1.0F}) {
    std::vector<float> numbers(12, 0);
    numbers[0] = 1;
    numbers[1] = sign;
    rotation.enter(numbers);
    const size_t column = sign > 0 ? 0 : 3;
    double there = 0;
    for (size_t row = 0; row < 3; ++row) there += std::pow(numbers[row * 4 + column], 2);
    EXPECT_GT(there, 0.99 * 2) << "along column " << column;
  }
}

TEST(Rotation, CarriesTheMeanOver) {
  Rotation rotation(3, 4);
  Random random(3);
  std::vector<float> mean(12, 0);
  for (int64_t step = 1; step < 80; ++step) rotation.learn(step, gradient(random), mean);
  const std::vector<float> expected = gradient(random);
  mean = expected;
  rotation.enter(mean);
  const std::vector<float> before = mean;
  rotation.learn(80, gradient(random), mean);  // new axes
  EXPECT_NE(mean, before);
  rotation.leave(mean);
  for (size_t i = 0; i < mean.size(); ++i) EXPECT_NEAR(mean[i], expected[i], 1e-4) << i;
}

TEST(Rotation, LeavesLongSidesAsTheyAre) {
  Rotation rotation(2, 1025);
  std::vector<float> mean(2050, 0), numbers(2050, 0);
  numbers[7] = 1;
  numbers[1025 + 7] = 1;
  rotation.learn(1, numbers, mean);  // both rows vary together: the first axis has all of it
  rotation.enter(numbers);
  EXPECT_NEAR(std::abs(numbers[7]), std::sqrt(2.0), 1e-6);
  numbers[7] = 0;
  EXPECT_NEAR(norm(numbers), 0, 1e-6);
}

}  // namespace
}  // namespace edgesmith::train
