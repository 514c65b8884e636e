// SPDX-License-Identifier: Apache-2.0
// Losses against numbers worked out by hand.
#include "edgesmith/train/loss.h"

#include <gtest/gtest.h>

#include <cmath>

#include "edgesmith/ir/text.h"
#include "edgesmith/ops/op_info.h"
#include "train/run_plainly.h"

namespace edgesmith::train {
namespace {

/// The losses of rows of `classes` numbers; `other` are shares of classes where the loss needs labels.
std::vector<float> losses(const char* name, int64_t classes, const std::vector<float>& student,
                          const std::vector<float>& other, double temperature = 1) {
  auto graph = ir::parse("graph @g(%s: f32[N," + std::to_string(classes) + "], %t: f32[N," + std::to_string(classes) +
                         "], %labels: f32[N," + std::to_string(classes) + "]) -> (s) { return %s }");
  EXPECT_TRUE(graph.ok()) << graph.error().text();
  ops::GradientBuilder build(*graph);
  const std::vector<ir::Value*> inputs = graph->inputs();
  const LossInfo* loss = find_loss(name);
  EXPECT_NE(loss, nullptr);
  LossOperands operands;
  operands.student = build.term(*inputs[0]);
  operands.teacher = build.term(*inputs[1]);
  operands.labels = build.term(*inputs[2]);
  operands.rank = 2;
  operands.classes = classes;
  operands.temperature = temperature;
  const ops::Term each = loss->build(operands);
  EXPECT_TRUE(ops::infer_types(*graph).ok());
  const auto rows = static_cast<int64_t>(student.size()) / classes;
  const std::vector<float> none(student.size(), 0);
  const auto results = run_plainly(*graph,
                                   {ir::Tensor::of<float>({rows, classes}, student),
                                    ir::Tensor::of<float>({rows, classes}, loss->needs_labels ? none : other),
                                    ir::Tensor::of<float>({rows, classes}, loss->needs_labels ? other : none)},
                                   {each.value});
  EXPECT_TRUE(results.ok()) << results.error().text();
  EXPECT_EQ((*results)[0].dims(), (ir::Dims{rows}));
  return (*results)[0].to_floats();
}

TEST(Loss, KlIsTheDivergenceFromTheTeacher) {
  // p = (3/4, 1/4), q = (1/2, 1/2).
  const double expected = 0.75 * std::log(1.5) + 0.25 * std::log(0.5);
  const auto each = losses("kl", 2, {0, 0, 5, 5}, {std::log(3.0f), 0, 1, 1});
  EXPECT_NEAR(each[0], expected, 1e-6);
  EXPECT_NEAR(each[1], 0, 1e-7);
}

TEST(Loss, KlSoftensByTheTemperature) {
  // Scores of 2 ln 3 over 2 are those of the case above; the loss is T^2 as large.
  const double expected = 4 * (0.75 * std::log(1.5) + 0.25 * std::log(0.5));
  EXPECT_NEAR(losses("kl", 2, {0, 0}, {2 * std::log(3.0f), 0}, 2)[0], expected, 1e-5);
}

TEST(Loss, KlIsExactlyZeroForEqualScores) { EXPECT_EQ(losses("kl", 3, {0.3f, -7, 40}, {0.3f, -7, 40}, 3)[0], 0); }

TEST(Loss, MseIsTheMeanOverTheNumbersOfASample) {
  EXPECT_EQ(losses("mse", 2, {1, 2, 0, 3}, {0, 4, 0, 0}), (std::vector<float>{2.5f, 4.5f}));
}

TEST(Loss, CrossEntropyIsTheLogOfTheLabelsProbability) {
  const auto each = losses("cross-entropy", 3, {1, 2, 3, 0, 0, 0, 1, 2, 3}, {0, 0, 1, 0, 1, 0, 0, 0.25f, 0.75f});
  EXPECT_NEAR(each[0], 0.407606, 1e-5);
  EXPECT_NEAR(each[1], std::log(3.0), 1e-6);
  EXPECT_NEAR(each[2], 0.25 * 1.407606 + 0.75 * 0.407606, 1e-5);
}

TEST(Loss, FeaturesAreRelativeToTheTeachers) {
  const auto each = losses("features", 2, {1, 2, 100, 200}, {0, 4, 0, 400});
  EXPECT_NEAR(each[0], 2.5 / 8, 1e-6);
  EXPECT_NEAR(each[1], each[0], 1e-6);
}

TEST(Loss, SaysWhatEachNeeds) {
  for (const LossInfo& loss : all_losses()) EXPECT_EQ(loss.needs_labels, loss.name == "cross-entropy") << loss.name;
  EXPECT_EQ(find_loss("hinge"), nullptr);
}

}  // namespace
}  // namespace edgesmith::train
