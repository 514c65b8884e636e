// SPDX-License-Identifier: Apache-2.0
// Optimizers and schedules against numbers worked out by hand.
#include "edgesmith/train/optimizer.h"

#include <gtest/gtest.h>

#include "edgesmith/train/schedule.h"

namespace edgesmith::train {
namespace {

/// One weight of 1 after steps along `gradients` at `rate`.
float after(const char* name, const std::vector<float>& gradients, double rate, double decay = 0) {
  const OptimizerInfo* optimizer = find_optimizer(name);
  EXPECT_NE(optimizer, nullptr);
  std::vector<float> value = {1};
  std::vector<std::vector<float>> states(static_cast<size_t>(optimizer->num_states), std::vector<float>(1, 0));
  const std::vector<std::span<float>> spans(states.begin(), states.end());
  int64_t number = 0;
  for (const float gradient : gradients) {
    optimizer->update({.number = ++number, .rate = rate, .weight_decay = decay}, value, {&gradient, 1}, spans);
  }
  return value[0];
}

TEST(Optimizer, SgdMovesAlongTheGradientAndItsMomentum) {
  EXPECT_FLOAT_EQ(after("sgd", {0.5f}, 0.1), 0.905f);         // 1 - 0.1 (0.5 + 0.9 * 0.5)
  EXPECT_FLOAT_EQ(after("sgd", {0.5f, 0.2f}, 0.1), 0.8265f);  // v = 0.65; 0.905 - 0.1 (0.2 + 0.9 * 0.65)
  EXPECT_FLOAT_EQ(after("sgd", {0.5f}, 0.1, 0.1), 0.886f);    // g = 0.5 + 0.1; 1 - 0.1 (0.6 + 0.54)
}

TEST(Optimizer, AdamStepsByTheRateWhateverTheScale) {
  EXPECT_FLOAT_EQ(after("adam", {0.5f}, 0.01), 0.99f);
  EXPECT_FLOAT_EQ(after("adam", {-5000.0f}, 0.01), 1.01f);
  // m = 0.02, v = 0.00031225; 0.99 - 0.01 (0.02 / 0.19) / sqrt(0.00031225 / 0.001999).
  EXPECT_NEAR(after("adam", {0.5f, -0.25f}, 0.01), 0.98733663, 1e-7);
  EXPECT_FLOAT_EQ(after("adam", {0.5f}, 0.01, 0.1), 0.99f);  // the decay is a part of what is divided by its own size
}

TEST(Optimizer, AdamwDecaysBesideTheGradient) {
  EXPECT_FLOAT_EQ(after("adamw", {0.5f}, 0.01), 0.99f);
  EXPECT_FLOAT_EQ(after("adamw", {0.5f}, 0.01, 0.1), 0.989f);  // 1 (1 - 0.01 * 0.1) - 0.01
  EXPECT_FLOAT_EQ(after("adamw", {0.0f}, 0.01, 0.1), 0.999f);
}

TEST(Optimizer, RelativeStepsLikeAdamwByARateThatTheTrainingScales) {
  const OptimizerInfo &relative = *find_optimizer("relative"), &adamw = *find_optimizer("adamw");
  EXPECT_TRUE(relative.relative);
  EXPECT_FALSE(adamw.relative);
  EXPECT_EQ(after("relative", {0.5f, -0.25f}, 0.01, 0.1), after("adamw", {0.5f, -0.25f}, 0.01, 0.1));
}

TEST(Optimizer, WeightsWithoutGradientStay) {
  for (const OptimizerInfo& optimizer : all_optimizers()) {
    EXPECT_EQ(after(std::string(optimizer.name).c_str(), {0, 0, 0}, 0.1), 1) << optimizer.name;
  }
  EXPECT_EQ(find_optimizer("adagrad"), nullptr);
}

TEST(Schedule, WarmsUpThenFalls) {
  const ScheduleInfo &cosine = *find_schedule("cosine"), &step = *find_schedule("step");
  EXPECT_DOUBLE_EQ(rate_factor(cosine, 0, 10, 0), 1);
  EXPECT_NEAR(rate_factor(cosine, 5, 10, 0), 0.5, 1e-12);
  EXPECT_DOUBLE_EQ(rate_factor(cosine, 0, 10, 2), 0.5);
  EXPECT_DOUBLE_EQ(rate_factor(cosine, 1, 10, 2), 1);
  EXPECT_DOUBLE_EQ(rate_factor(cosine, 2, 10, 2), 1);
  EXPECT_NEAR(rate_factor(cosine, 6, 10, 2), 0.5, 1e-12);
  EXPECT_DOUBLE_EQ(rate_factor(step, 49, 100, 0), 1);
  EXPECT_DOUBLE_EQ(rate_factor(step, 50, 100, 0), 0.1);
  EXPECT_DOUBLE_EQ(rate_factor(step, 99, 100, 0), 0.01);
  EXPECT_DOUBLE_EQ(rate_factor(*find_schedule("constant"), 99, 100, 0), 1);
  EXPECT_EQ(find_schedule("linear"), nullptr);
}

TEST(Schedule, WarmsUpForLongerInShortRuns) {
  EXPECT_EQ(default_warmup(1), 0);
  EXPECT_EQ(default_warmup(100), 30);
  EXPECT_EQ(default_warmup(1000), 200);
  EXPECT_EQ(default_warmup(10000), 500);
}

}  // namespace
}  // namespace edgesmith::train
