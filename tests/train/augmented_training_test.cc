// SPDX-License-Identifier: Apache-2.0
// Training on samples that change at random, and of quantized students.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "edgesmith/ir/text.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/train/distill.h"
#include "train/points.h"

namespace edgesmith::train {
namespace {

ir::Graph network(int seed) {
  const std::string s = std::to_string(seed);
  auto graph = ir::parse(R"(graph @net(%x: f32[N,1,4,4]) -> (scores) {
  %w1 = constant random(seed=)" +
                         s + R"(1) : f32[6,1,3,3]
  %b1 = constant random(seed=)" +
                         s + R"(2) : f32[6]
  %w2 = constant random(seed=)" +
                         s + R"(3) : f32[3,24]
  %h = conv %x, %w1, %b1 @"hidden"
  %r = relu %h
  %f = flatten %r
  %y = gemm %f, %w2 {transB=1} @"scores"
  return %y
})");
  EXPECT_TRUE(graph.ok()) << graph.error().text();
  EXPECT_TRUE(ops::infer_types(*graph).ok());
  return std::move(*graph);
}

struct Outcome {
  ir::Graph student;
  Result<DistillReport> report;
};

Outcome train(ir::Graph student, const DistillOptions& options, int threads = 2) {
  ThreadPool pool(threads);
  ProgressSink silent;
  const Points data({1, 1, 4, 4}, 200, /*labels=*/true);
  auto report = distill(student, network(1), data, options, {.pool = &pool, .progress = &silent, .simplify = {}});
  return {std::move(student), std::move(report)};
}

std::string text_of(const ir::Graph& graph) { return ir::print(graph, {.max_elements = 0}); }

TEST(AugmentedTraining, GivesTheSameBytesForAnyNumberOfThreads) {
  DistillOptions options{.losses = {"kl", "cross-entropy=0.5"}, .rate = 0.01, .epochs = 4};
  options.augment = {.flip = true, .shift = 1, .cutout = 1, .mixup = 0.4, .noise = 0.05};
  const Outcome one = train(network(2), options, 1), two = train(network(2), options, 2);
  ASSERT_TRUE(one.report.ok()) << one.report.error().text();
  ASSERT_TRUE(two.report.ok());
  EXPECT_TRUE(one.report->changed);
  EXPECT_LT(one.report->loss_after, one.report->loss_before);
  EXPECT_EQ(text_of(one.student), text_of(two.student));
  options.augment = {};
  EXPECT_NE(text_of(train(network(2), options).student), text_of(one.student));
}

TEST(AugmentedTraining, JudgesByAugmentedSamplesWhereThatIsAskedFor) {
  DistillOptions options{.losses = {"kl"}, .rate = 0.01, .epochs = 4};
  options.augment.noise = 2;
  const Outcome as_they_are = train(network(2), options);
  options.augment_holdout = true;
  const Outcome one = train(network(2), options, 1), two = train(network(2), options, 2);
  ASSERT_TRUE(one.report.ok()) << one.report.error().text();
  EXPECT_GT(one.report->loss_before, 1.1 * as_they_are.report->loss_before);  // the scores grow with the noise
  EXPECT_LT(one.report->loss_after, one.report->loss_before);
  EXPECT_EQ(text_of(one.student), text_of(two.student));
  options.augment = {};
  const Outcome nothing = train(network(2), options);
  EXPECT_EQ(nothing.report->loss_before, as_they_are.report->loss_before);
}

TEST(AugmentedTraining, RefusesWhatDoesNotSuitTheData) {
  auto graph = ir::parse(
      "graph @net(%x: f32[N,16]) -> (y) {\n  %w = constant random(seed=1) : f32[16,3]\n"
      "  %y = mat_mul %x, %w\n  return %y\n}");
  ASSERT_TRUE(graph.ok());
  ASSERT_TRUE(ops::infer_types(*graph).ok());
  ThreadPool pool(1);
  ProgressSink silent;
  const Points data({1, 16}, 100);
  DistillOptions options;
  options.augment.flip = true;
  const ir::Graph teacher = graph->clone();
  const auto report = distill(*graph, teacher, data, options, {.pool = &pool, .progress = &silent, .simplify = {}});
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().kind, ErrorKind::usage);
  EXPECT_EQ(report.error().message, "augment: flip changes pictures, the model takes f32[1,16]");
}

// Weights of 3 bits of the teacher itself, rounded coarsely: training finds better codes and steps, and leaves codes.
TEST(QuantizedTraining, FindsBetterCodesAndStaysWithinTheirBits) {
  ir::Graph student = network(1);
  for (ir::Node& node : student.nodes()) {
    if (!node.is(ir::OpKind::constant) || node.tensor().rank() < 2) continue;
    const std::vector<float> numbers = node.tensor().to_floats();
    const float largest = std::fabs(*std::max_element(numbers.begin(), numbers.end(),
                                                      [](float a, float b) { return std::fabs(a) < std::fabs(b); }));
    std::vector<int8_t> codes;
    for (const float number : numbers) {
      codes.push_back(static_cast<int8_t>(std::clamp(std::nearbyint(number / largest * 3), -4.0F, 3.0F)));
    }
    student.set_tensor(node, ir::Tensor::affine(ir::Tensor::of<int8_t>(node.tensor().dims(), codes),
                                                {.dtype = ir::DType::i8, .scale = {largest / 3}, .zero_point = {0}}));
  }
  const Outcome done = train(std::move(student), {.losses = {"kl"}, .rate = 0.01, .epochs = 30});
  ASSERT_TRUE(done.report.ok()) << done.report.error().text();
  EXPECT_LT(done.report->loss_after, 0.5 * done.report->loss_before);
  int weights = 0;
  for (const ir::Node& node : done.student.nodes()) {
    if (!node.is(ir::OpKind::constant) || node.tensor().rank() < 2) continue;
    ASSERT_EQ(node.tensor().encoding(), ir::Encoding::affine);
    for (const int64_t code : node.tensor().codes().to_int64s()) {
      EXPECT_GE(code, -4);
      EXPECT_LE(code, 3);
    }
    ++weights;
  }
  EXPECT_EQ(weights, 2);
}

}  // namespace
}  // namespace edgesmith::train
