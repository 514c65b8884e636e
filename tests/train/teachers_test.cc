// SPDX-License-Identifier: Apache-2.0
// What is learned from several teachers, and from mirror images: on linear models, of which the mean is another one.
#include <gtest/gtest.h>

#include <cmath>

#include "edgesmith/ir/text.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/train/distill.h"
#include "train/points.h"

namespace edgesmith::train {
namespace {

constexpr int64_t kSide = 4, kPixels = kSide * kSide, kScores = 3;

/// Three scores of a picture of 4 x 4 pixels, with weights [3, 16].
ir::Graph linear(const std::vector<float>& weights, const std::string& output = "scores") {
  auto graph = ir::parse("graph @linear(%x: f32[N,1,4,4]) -> (" + output + R"() {
  %w = constant random(seed=1) : f32[3,16]
  %r = identity %x @"map"
  %f = flatten %r
  %y = gemm %f, %w {transB=1}
  return %y
})");
  EXPECT_TRUE(graph.ok()) << graph.error().text();
  for (ir::Node& node : graph->nodes()) {
    if (node.is(ir::OpKind::constant)) graph->set_tensor(node, ir::Tensor::of<float>({kScores, kPixels}, weights));
  }
  EXPECT_TRUE(ops::infer_types(*graph).ok());
  return std::move(*graph);
}

std::vector<float> random_weights(uint64_t seed) {
  Random random(seed);
  std::vector<float> weights(kScores * kPixels);
  for (float& weight : weights) weight = static_cast<float>(random.normal());
  return weights;
}

std::vector<float> mirrored(const std::vector<float>& weights) {
  std::vector<float> out(weights.size());
  for (size_t i = 0; i < weights.size(); ++i) out[i] = weights[i / kSide * kSide + (kSide - 1 - i % kSide)];
  return out;
}

std::vector<float> mean(const std::vector<float>& a, const std::vector<float>& b) {
  std::vector<float> out(a.size());
  for (size_t i = 0; i < a.size(); ++i) out[i] = (a[i] + b[i]) / 2;
  return out;
}

struct Outcome {
  ir::Graph student;
  Result<DistillReport> report;
};

Outcome train(ir::Graph student, const Teachers& teachers, DistillOptions options, int threads = 2,
              const ir::Dims& dims = {1, 1, kSide, kSide}) {
  ThreadPool pool(threads);
  ProgressSink silent;
  const Points data(dims, 200);
  options.rate = 0.05;
  options.epochs = 8;
  options.batch = 16;
  auto report = distill(student, teachers, data, options, {.pool = &pool, .progress = &silent, .simplify = {}});
  return {std::move(student), std::move(report)};
}

double loss_before(const std::vector<float>& student, const Teachers& teachers, const DistillOptions& options) {
  const Outcome done = train(linear(student), teachers, options);
  EXPECT_TRUE(done.report.ok()) << done.report.error().text();
  return done.report.ok() ? done.report->loss_before : -1;
}

TEST(Teachers, AnswerWithTheirMean) {
  const std::vector<float> a = random_weights(1), b = random_weights(2);
  const ir::Graph first = linear(a), second = linear(b);
  EXPECT_LT(loss_before(mean(a, b), {&first, &second}, {}), 1e-9);
  EXPECT_GT(loss_before(mean(a, b), {&first}, {}), 1);
  EXPECT_GT(loss_before(a, {&first, &second}, {}), 1);
}

TEST(Teachers, AnswerWithTheMeanOverMirrorImages) {
  const std::vector<float> a = random_weights(1), b = random_weights(2);
  const ir::Graph first = linear(a), second = linear(b);
  const DistillOptions options{.mirror_teacher = true};
  EXPECT_LT(loss_before(mean(a, mirrored(a)), {&first}, options), 1e-9);
  EXPECT_GT(loss_before(a, {&first}, options), 1);
  const std::vector<float> both = mean(a, b);
  EXPECT_LT(loss_before(mean(both, mirrored(both)), {&first, &second}, options), 1e-9);
}

TEST(Teachers, GiveTheSameBytesForAnyNumberOfThreads) {
  const ir::Graph first = linear(random_weights(1)), second = linear(random_weights(2));
  for (const bool augmented : {false, true}) {
    DistillOptions options{.mirror_teacher = true};
    options.augment.flip = augmented;
    const Outcome one = train(linear(random_weights(3)), {&first, &second}, options, 1);
    const Outcome two = train(linear(random_weights(3)), {&first, &second}, options, 2);
    ASSERT_TRUE(one.report.ok()) << one.report.error().text();
    EXPECT_LT(one.report->loss_after, 0.8 * one.report->loss_before);
    EXPECT_EQ(ir::print(one.student, {.max_elements = 0}), ir::print(two.student, {.max_elements = 0}));
  }
}

TEST(Teachers, AreRefusedWhereTheyDoNotFit) {
  const std::vector<float> a = random_weights(1);
  const ir::Graph first = linear(a), other = linear(a, "else");
  const auto message = [&](const Teachers& teachers, const DistillOptions& options) {
    const Outcome done = train(linear(random_weights(2)), teachers, options);
    EXPECT_FALSE(done.report.ok());
    return done.report.ok() ? std::string() : done.report.error().text();
  };
  EXPECT_NE(message({&first, &other}, {.match = {"scores=scores"}}).find("second teacher: --match: the teacher has no"),
            std::string::npos);
  EXPECT_NE(message({&first}, {.features = {"map=map"}, .mirror_teacher = true})
                .find("mirror_teacher: the teacher's values for 'map' would have to be mirrored, too"),
            std::string::npos);
}

TEST(Teachers, MirrorOnlyPictures) {
  auto graph = ir::parse(
      "graph @net(%x: f32[N,16]) -> (y) {\n  %w = constant random(seed=1) : f32[16,3]\n"
      "  %y = mat_mul %x, %w\n  return %y\n}");
  ASSERT_TRUE(graph.ok());
  ASSERT_TRUE(ops::infer_types(*graph).ok());
  const Outcome done = train(graph->clone(), {&*graph}, {.mirror_teacher = true}, 1, {1, 16});
  ASSERT_FALSE(done.report.ok());
  EXPECT_EQ(done.report.error().kind, ErrorKind::usage);
  EXPECT_EQ(done.report.error().message, "mirror_teacher: the model takes f32[1,16], no pictures");
}

}  // namespace
}  // namespace edgesmith::train
