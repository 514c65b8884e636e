// SPDX-License-Identifier: Apache-2.0
// Figures from times, and the timed loop. Nothing here depends on how fast the machine is.
#include "edgesmith/refine/bench.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "edgesmith/base/random.h"
#include "edgesmith/data/seeded_inputs.h"
#include "edgesmith/ir/text.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/refine/measure.h"

namespace edgesmith::refine {
namespace {

constexpr const char* kNet = R"(graph @net(%x: f32[N,3,8,8]) -> (y) {
  %w = constant random(seed=1) : f32[4,3,3,3]
  %v = constant random(seed=2) : f32[4,2]
  %c = conv %x, %w, _ {pads=[1,1,1,1]}
  %r = relu %c
  %p = global_average_pool %r
  %f = flatten %p {axis=1}
  %y = mat_mul %f, %v
  return %y
})";

ir::Graph graph_of(const std::string& text) {
  auto graph = ir::parse(text);
  EXPECT_TRUE(graph.ok()) << (graph.ok() ? "" : graph.error().text());
  EXPECT_TRUE(ops::infer_types(*graph).ok());
  return std::move(*graph);
}

BenchModel model_of(const ir::Graph& graph, int64_t batch, uint64_t seeds = 1) {
  BenchModel model{&graph, {}};
  for (uint64_t seed = 0; seed < seeds; ++seed) {
    model.inputs.push_back(
        *data::seeded_inputs(graph, {.batch = batch, .seed = seed, .memory_limit = int64_t{1} << 30}));
  }
  return model;
}

TEST(Timing, SummarizesByNearestRank) {
  std::vector<int64_t> times(10);
  std::iota(times.rbegin(), times.rend(), 1);  // 10 ... 1
  for (int64_t& time : times) time *= 1000;
  const Latency ten = summarize(times);
  EXPECT_EQ(ten.min, 1);
  EXPECT_EQ(ten.median, 5.5);
  EXPECT_EQ(ten.p90, 9);
  EXPECT_EQ(ten.mean, 5.5);
  const Latency one = summarize(std::vector<int64_t>{7000});
  EXPECT_EQ(one.min, 7);
  EXPECT_EQ(one.median, 7);
  EXPECT_EQ(one.p90, 7);
  EXPECT_EQ(summarize(std::vector<int64_t>{1000, 9000, 2000}).median, 2);
}

TEST(Timing, TheIntervalHoldsTheRatioAndNarrowsWithTheNoise) {
  Random random(3);
  std::vector<int64_t> a, b, noisy;
  for (int i = 0; i < 400; ++i) {
    a.push_back(100000 + static_cast<int64_t>(random.below(2000)));
    b.push_back(50000 + static_cast<int64_t>(random.below(1000)));
    noisy.push_back(30000 + static_cast<int64_t>(random.below(40000)));
  }
  const TimeRatio half = ratio_of_medians(a, b, 0), wide = ratio_of_medians(a, noisy, 0);
  EXPECT_NEAR(half.ratio, 0.5, 0.01);
  for (const TimeRatio& ratio : {half, wide}) {
    EXPECT_LE(ratio.ci95[0], ratio.ratio);
    EXPECT_GE(ratio.ci95[1], ratio.ratio);
  }
  EXPECT_LT(half.ci95[1] - half.ci95[0], 0.01);
  EXPECT_GT(wide.ci95[1] - wide.ci95[0], 3 * (half.ci95[1] - half.ci95[0]));
  const TimeRatio again = ratio_of_medians(a, b, 0);
  EXPECT_EQ(again.ci95[0], half.ci95[0]);
  EXPECT_EQ(again.ci95[1], half.ci95[1]);
}

// Over many pairs of samples whose true ratio is known, about 95 % of the intervals hold it.
TEST(Timing, TheIntervalHoldsTheTrueRatioAsOftenAsItSays) {
  Random random(5);
  int held = 0;
  constexpr int kTrials = 200;
  for (int trial = 0; trial < kTrials; ++trial) {
    std::vector<int64_t> a, b;
    for (int i = 0; i < 120; ++i) {
      a.push_back(static_cast<int64_t>(1e6 * std::exp(0.1 * random.normal())));
      b.push_back(static_cast<int64_t>(8e5 * std::exp(0.1 * random.normal())));
    }
    const TimeRatio ratio = ratio_of_medians(a, b, static_cast<uint64_t>(trial));
    held += ratio.ci95[0] <= 0.8 && 0.8 <= ratio.ci95[1] ? 1 : 0;
  }
  EXPECT_GE(held, kTrials * 88 / 100);
}

TEST(Timing, RunsDependOnTheArithmetic) {
  const ir::Graph small = graph_of(kNet);
  EXPECT_EQ(default_runs(small, 1), 5000);
  std::string text = kNet;
  text.replace(text.find("8,8]"), 4, "4000,4000]");
  const ir::Graph large = graph_of(text);
  EXPECT_EQ(default_runs(large, 1), 50);
  EXPECT_LT(default_runs(small, 1000), 5000);
}

TEST(Bench, TakesAsManyTimesAsAskedForAndFindsTheOutputsOfARun) {
  const ir::Graph graph = graph_of(kNet);
  const std::vector<BenchModel> models = {model_of(graph, 2, 3)};
  BenchOptions options;
  options.runs = 7;
  options.warmup = 2;
  const auto report = bench(models, options);
  ASSERT_TRUE(report.ok()) << report.error().text();
  const BenchResult& result = report->results[0];
  ASSERT_EQ(result.nanoseconds.size(), 7u);
  EXPECT_GT(result.latency.min, 0);
  EXPECT_LE(result.latency.min, result.latency.median);
  EXPECT_LE(result.latency.median, result.latency.p90);
  int64_t sum = 0;
  for (const int64_t time : result.nanoseconds) sum += time;
  EXPECT_GE(report->seconds * 1e9, static_cast<double>(sum));

  const auto executor = runtime::Executor::create(graph);
  std::vector<std::vector<ir::Tensor>> outputs;
  for (const auto& inputs : models[0].inputs) outputs.push_back(*(*executor)->make_session()->run(inputs));
  EXPECT_EQ(result.output_sha256, outputs_sha256(*join_outputs(graph, outputs)));
  EXPECT_EQ((*join_outputs(graph, outputs))[0].dims(), (ir::Dims{6, 2}));
}

TEST(Bench, TimesEveryNodeThatHasAStepOfItsOwn) {
  const ir::Graph graph = graph_of(kNet);
  BenchOptions options;
  options.runs = 5;
  options.per_node = true;
  const auto report = bench(std::vector{model_of(graph, 1)}, options);
  ASSERT_TRUE(report.ok()) << report.error().text();
  std::vector<std::string> timed;
  for (const NodeTime& entry : report->results[0].nodes) {
    EXPECT_FALSE(entry.kernel.empty());
    if (entry.median_us) timed.emplace_back(ir::op_name(entry.node->op()));
  }
  const std::vector<std::string> expected = {"conv", "global_average_pool", "flatten", "mat_mul"};
  EXPECT_EQ(timed, expected) << "the relu is fused into the conv";
  EXPECT_EQ(report->results[0].nodes.size(), 5u);
}

TEST(Bench, RunsTwoModelsInTurnsOnSeveralThreads) {
  const ir::Graph a = graph_of(kNet), b = graph_of(kNet);
  BenchOptions options;
  options.runs = 4;
  options.parallel = 3;
  const auto report = bench(std::vector{model_of(a, 1), model_of(b, 1)}, options);
  ASSERT_TRUE(report.ok()) << report.error().text();
  ASSERT_EQ(report->results.size(), 2u);
  for (const BenchResult& result : report->results) {
    EXPECT_EQ(result.nanoseconds.size(), 12u);
    EXPECT_EQ(result.output_sha256, report->results[0].output_sha256);
  }
}

TEST(Bench, KeepsDenormalsWhereFlushingThemWouldChangeTheOutputs) {
  const ir::Graph graph = graph_of("graph @g(%x: f32[N,2]) -> (y) {\n  %y = add %x, %x\n  return %y\n}\n");
  BenchModel model{&graph, {{ir::Tensor::of<float>({1, 2}, {1e-40f, 1.0f})}}};
  EXPECT_FALSE(bench(std::vector{model}, {})->denormals_flushed);
  model.inputs = {{ir::Tensor::of<float>({1, 2}, {1e-20f, 1.0f})}};
  EXPECT_TRUE(bench(std::vector{model}, {})->denormals_flushed);
}

TEST(Bench, RefusesActivationsBeyondTheLimit) {
  const ir::Graph graph = graph_of(kNet);
  BenchOptions options;
  options.executor.memory_limit = 1000;
  const auto report = bench(std::vector{model_of(graph, 1)}, options);
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().kind, ErrorKind::io);
}

}  // namespace
}  // namespace edgesmith::refine
