// SPDX-License-Identifier: Apache-2.0
// What codes cost, by hand and by differences, and trainings that make them cheaper.
#include "train/code_bits.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "edgesmith/base/random.h"
#include "edgesmith/ir/short_floats.h"
#include "edgesmith/ir/text.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/train/distill.h"
#include "train/points.h"

namespace edgesmith::train {
namespace {

TEST(CodeBits, AreThoseOfTheFrequencies) {
  // Codes -2 to 1 by a step of 0.5: three of 0, one of 1; of two channels the second one has a step of 1.
  const CodeGrid grid = {.places = {0, 0, 1, 1}, .bounds = {{-2, -2}, {1, 1}}, .start = {0.5F, 1.0F}};
  const std::vector<float> reals = {0.1F, 0.6F, -0.3F, 0.2F}, steps = {0.5F, 1.0F};
  const double zero = -std::log2(3.5 / 6), one = -std::log2(1.5 / 6), none = -std::log2(0.5 / 6);
  std::vector<float> gradient(4, 1.0F);
  EXPECT_NEAR(code_bits(reals, steps, grid, 2, gradient), 3 * zero + one, 1e-6);
  // Each number's slope lies between the two codes beside it, over its step.
  EXPECT_NEAR(gradient[0], 1 + 2 * (one - zero) / 0.5, 1e-5);
  EXPECT_NEAR(gradient[1], 1, 1e-5);  // above the last code
  EXPECT_NEAR(gradient[2], 1 + 2 * (zero - none), 1e-5);
  EXPECT_NEAR(gradient[3], 1 + 2 * (one - zero), 1e-5);
}

TEST(CodeBits, OnACodeTheSlopeIsThatOfBothSides) {
  const CodeGrid grid = {.places = std::vector<size_t>(4, 0), .bounds = {{-1}, {1}}, .start = {1}};
  const std::vector<float> reals = {0, 0, 0, 1}, steps = {1};
  std::vector<float> gradient(4, 0);
  code_bits(reals, steps, grid, 1, gradient);
  const double zero = -std::log2(3.5 / 5.5), one = -std::log2(1.5 / 5.5), less = -std::log2(0.5 / 5.5);
  EXPECT_NEAR(gradient[0], (one - less) / 2, 1e-6);
  EXPECT_NEAR(gradient[3], one - zero, 1e-6);  // no code lies above
}

/// Three scores of eight numbers by weights that are 4-bit codes, drawn by `seed`.
ir::Graph coded_network(uint64_t seed) {
  auto graph = ir::parse(R"(graph @net(%x: f32[N,8]) -> (scores) {
  %w1 = constant random(seed=1) : f32[32,8]
  %w2 = constant random(seed=2) : f32[3,32]
  %h = gemm %x, %w1 {transB=1}
  %r = relu %h
  %y = gemm %r, %w2 {transB=1} @"scores"
  return %y
})");
  EXPECT_TRUE(graph.ok()) << graph.error().text();
  Random random(seed);
  for (ir::Node& node : graph->nodes()) {
    if (!node.is(ir::OpKind::constant)) continue;
    const ir::Dims dims = node.tensor().dims();
    ir::Tensor codes = ir::Tensor::zeros(ir::DType::i4, dims);
    for (std::byte& byte : codes.mutable_bytes()) byte = static_cast<std::byte>(random.below(256));
    ir::Quant quant{.dtype = ir::DType::i4, .axis = 0, .method = "max"};
    quant.scale.assign(static_cast<size_t>(dims[0]), 0.05F);
    quant.zero_point.assign(static_cast<size_t>(dims[0]), 0);
    graph->set_tensor(node, ir::Tensor::affine(codes, quant));
  }
  EXPECT_TRUE(ops::infer_types(*graph).ok());
  return std::move(*graph);
}

std::vector<int64_t> codes_of(const ir::Graph& graph) {
  std::vector<int64_t> codes;
  for (const ir::Node& node : graph.nodes()) {
    if (!node.is(ir::OpKind::constant)) continue;
    const std::vector<int64_t> own = node.tensor().codes().to_int64s();
    codes.insert(codes.end(), own.begin(), own.end());
  }
  return codes;
}

struct Outcome {
  ir::Graph student;
  Result<DistillReport> report;
};

Outcome train(ir::Graph student, const DistillOptions& options, int threads = 2) {
  ThreadPool pool(threads);
  ProgressSink silent;
  const ir::Graph teacher = coded_network(1);
  auto report =
      distill(student, teacher, Points({1, 8}, 300), options, {.pool = &pool, .progress = &silent, .simplify = {}});
  EXPECT_TRUE(report.ok()) << report.error().text();
  return {std::move(student), std::move(report)};
}

TEST(EntropyPenalty, MakesCodesCheaper) {
  const auto zeros = [](const Outcome& outcome) {
    const std::vector<int64_t> codes = codes_of(outcome.student);
    return std::count(codes.begin(), codes.end(), 0);
  };
  const DistillOptions plain = {.rate = 0.01, .epochs = 20};
  DistillOptions penalised = plain;
  penalised.entropy = 1;
  const Outcome free = train(coded_network(2), plain), cheap = train(coded_network(2), penalised);
  EXPECT_GT(zeros(cheap), 2 * zeros(free));
  ASSERT_EQ(cheap.report->curves.size(), 4u);
  const Curve& bits = cheap.report->curves[2];
  ASSERT_EQ(bits.name, "bits of a code");
  EXPECT_LT(bits.values.back(), bits.values.front() - 0.5);
  EXPECT_NE(cheap.report->notes.back().find("bits on average"), std::string::npos) << cheap.report->notes.back();
}

TEST(EntropyPenalty, LeavesStepsOfEightBits) {
  const auto full = [](const DistillOptions& options) {
    const Outcome outcome = train(coded_network(2), options);
    int64_t count = 0;
    for (const ir::Node& node : outcome.student.nodes()) {
      if (!node.is(ir::OpKind::constant)) continue;
      for (const float step : node.tensor().quant().scale) count += step != ir::short_float(step) ? 1 : 0;
    }
    return count;
  };
  EXPECT_GT(full({.rate = 0.01, .epochs = 2}), 30);
  EXPECT_EQ(full({.entropy = 1, .rate = 0.01, .epochs = 2}), 0);
}

TEST(EntropyPenalty, CountsTheBitsAboveThoseThatAreFree) {
  const auto last_bits = [](double free) {
    const Outcome outcome = train(coded_network(2), {.entropy = 20, .code_bits = free, .rate = 0.01, .epochs = 20});
    return outcome.report->curves[2].values;
  };
  const std::vector<double> pressed = last_bits(0), bound = last_bits(3), unbound = last_bits(16);
  EXPECT_LT(pressed.back(), 2.85);
  EXPECT_NEAR(bound.back(), 3, 0.15);
  EXPECT_GT(unbound.back(), 3.15);
}

TEST(EntropyPenalty, GivesTheSameBitsForAnyNumberOfThreads) {
  const DistillOptions options = {.entropy = 1, .rate = 0.01, .epochs = 3};
  const std::vector<int64_t> one = codes_of(train(coded_network(2), options, 1).student);
  EXPECT_NE(one, codes_of(coded_network(2)));
  EXPECT_EQ(codes_of(train(coded_network(2), options, 3).student), one);
}

// Zeros that pruning made are no mask where their number is what is learned.
TEST(EntropyPenalty, LetsZerosLeaveAMask) {
  ir::Graph student = coded_network(2);
  for (ir::Node& node : student.nodes()) {
    if (!node.is(ir::OpKind::constant)) continue;
    ir::Tensor codes = ir::Tensor::zeros(ir::DType::i4, node.tensor().dims());
    for (size_t i = 0; i < codes.mutable_bytes().size(); i += 2) codes.mutable_bytes()[i] = std::byte{0x53};
    student.set_tensor(node, ir::Tensor::affine(codes, node.tensor().quant()));
  }
  const std::vector<int64_t> before = codes_of(student);
  const auto filled = [&](const std::vector<int64_t>& after) {
    int64_t count = 0;
    for (size_t i = 0; i < before.size(); ++i) count += before[i] == 0 && after[i] != 0 ? 1 : 0;
    return count;
  };
  DistillOptions options = {.rate = 0.01, .epochs = 10};
  EXPECT_EQ(filled(codes_of(train(student.clone(), options).student)), 0);
  options.entropy = 1e-3;
  EXPECT_GT(filled(codes_of(train(student.clone(), options).student)), 0);
}

TEST(KeptSteps, StayWhileCodesLearn) {
  const auto scales = [](const ir::Graph& graph) {
    std::vector<float> all;
    for (const ir::Node& node : graph.nodes()) {
      if (!node.is(ir::OpKind::constant)) continue;
      all.insert(all.end(), node.tensor().quant().scale.begin(), node.tensor().quant().scale.end());
    }
    return all;
  };
  DistillOptions options = {.rate = 0.01, .epochs = 5};
  const Outcome learned = train(coded_network(2), options);
  EXPECT_NE(scales(learned.student), scales(coded_network(2)));
  options.keep_steps = true;
  const Outcome kept = train(coded_network(2), options);
  EXPECT_LT(kept.report->loss_after, kept.report->loss_before);
  EXPECT_NE(codes_of(kept.student), codes_of(coded_network(2)));
  EXPECT_EQ(scales(kept.student), scales(coded_network(2)));
}

TEST(EntropyPenalty, NeedsCodes) {
  auto student = ir::parse(R"(graph @net(%x: f32[N,8]) -> (scores) {
  %w = constant random(seed=1) : f32[3,8]
  %y = gemm %x, %w {transB=1}
  return %y
})");
  ASSERT_TRUE(student.ok());
  ASSERT_TRUE(ops::infer_types(*student).ok());
  ThreadPool pool(1);
  ProgressSink silent;
  const ir::Graph teacher = coded_network(1);
  const auto refusal = [&](ir::Graph& graph, const DistillOptions& options) {
    const auto report =
        distill(graph, teacher, Points({1, 8}, 300), options, {.pool = &pool, .progress = &silent, .simplify = {}});
    EXPECT_FALSE(report.ok());
    if (!report.ok()) {
      EXPECT_EQ(report.error().kind, ErrorKind::usage);
    }
    return report.ok() ? std::string() : report.error().message;
  };
  EXPECT_EQ(refusal(*student, {.entropy = 1}), "entropy counts the bits of codes, and no trained weight is codes");
  ir::Graph coded = coded_network(2);
  EXPECT_NE(refusal(coded, {.entropy = 1, .keep_steps = true}).find("entropy needs steps that learn"),
            std::string::npos);
}

}  // namespace
}  // namespace edgesmith::train
