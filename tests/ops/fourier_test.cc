// SPDX-License-Identifier: Apache-2.0
// Transforms of all lengths against their definition.
#include "ops/fourier.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "edgesmith/base/random.h"

namespace edgesmith::ops {
namespace {

double worst_error(size_t length, bool inverse) {
  Random random(length);
  std::vector<Complex> x(length), y;
  for (Complex& number : x) number = {random.uniform() - 0.5, random.uniform() - 0.5};
  y = x;
  FourierPlan plan(length, inverse);
  for (int run = 0; run < 2; ++run) {  // a plan may run again
    y = x;
    plan.run(y.data());
  }
  double worst = 0;
  for (size_t k = 0; k < length; ++k) {
    Complex sum = 0;
    for (size_t n = 0; n < length; ++n) {
      const double turns = static_cast<double>(k * n % length) / static_cast<double>(length);
      sum += x[n] * std::polar(1.0, (inverse ? 2 : -2) * std::numbers::pi * turns);
    }
    worst = std::max(worst, std::abs(y[k] - sum));
  }
  return worst;
}

TEST(Fourier, AllSmallLengths) {
  for (size_t length = 1; length <= 70; ++length) {
    for (const bool inverse : {false, true}) EXPECT_LE(worst_error(length, inverse), 1e-13) << length;
  }
}

TEST(Fourier, LengthsOfAudioNets) {
  for (const size_t length : {97, 122, 143, 169, 256, 320, 338, 400, 480, 512, 551, 1103}) {
    EXPECT_LE(worst_error(length, false), 3e-12) << length;
  }
}

}  // namespace
}  // namespace edgesmith::ops
