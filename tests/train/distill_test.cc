// SPDX-License-Identifier: Apache-2.0
// Whole trainings of small networks: what is learned, what is kept, what is refused, and that bits are the same.
#include "edgesmith/train/distill.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "edgesmith/ir/text.h"
#include "edgesmith/ir/verifier.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/train/optimizer.h"
#include "support/tiny_model.h"
#include "train/points.h"

namespace edgesmith::train {
namespace {

ir::Graph parsed(const std::string& text) {
  auto graph = ir::parse(text);
  EXPECT_TRUE(graph.ok()) << graph.error().text();
  EXPECT_TRUE(ops::infer_types(*graph).ok());
  return std::move(*graph);
}

/// Three scores of four numbers by way of 16 hidden ones. Seeds decide the weights.
ir::Graph network(int seed, const std::string& output = "scores", int classes = 3, const std::string& batch = "N") {
  const std::string c = std::to_string(classes), s = std::to_string(seed);
  return parsed("graph @net(%x: f32[" + batch + ",4]) -> (" + output + R"() {
  %w1 = constant random(seed=)" +
                s + R"(1) : f32[16,4]
  %b1 = constant random(seed=)" +
                s + R"(2) : f32[16]
  %w2 = constant random(seed=)" +
                s + "3) : f32[" + c + R"(,16]
  %h = gemm %x, %w1, %b1 {transB=1} @"hidden"
  %r = relu %h @"relu"
  %y = gemm %r, %w2 {transB=1} @"scores"
  return %y
})");
}

struct Outcome {
  ir::Graph student;
  Result<DistillReport> report;
};

Outcome run(ir::Graph student, const ir::Graph& teacher, const DistillOptions& options,
            const data::Dataset& data = Points({1, 4}, 300), int threads = 2) {
  ThreadPool pool(threads);
  ProgressSink silent;
  auto report = distill(student, teacher, data, options, {.pool = &pool, .progress = &silent, .simplify = {}});
  EXPECT_TRUE(ir::verify(student).ok());
  return {std::move(student), std::move(report)};
}

std::string text_of(const ir::Graph& graph) { return ir::print(graph, {.max_elements = 0}); }

void expect_error(const Outcome& run, ErrorKind kind, const std::string& message, const std::string& hint) {
  ASSERT_FALSE(run.report.ok());
  EXPECT_EQ(run.report.error().kind, kind) << run.report.error().text();
  EXPECT_NE(run.report.error().message.find(message), std::string::npos) << run.report.error().text();
  EXPECT_NE(run.report.error().hint.find(hint), std::string::npos) << run.report.error().text();
}

TEST(Distill, LearnsWhatItsTeacherSays) {
  for (const char* loss : {"kl", "mse"}) {
    for (const OptimizerInfo& optimizer : all_optimizers()) {
      SCOPED_TRACE(std::string(loss) + " by " + std::string(optimizer.name));
      const Outcome done = run(network(2), network(1),
                               {.losses = {loss},
                                .optimizer = std::string(optimizer.name),
                                .rate = optimizer.relative ? 0.03 : 0.01,
                                .epochs = 40});
      ASSERT_TRUE(done.report.ok()) << done.report.error().text();
      EXPECT_TRUE(done.report->changed);
      EXPECT_LT(done.report->loss_after, 0.1 * done.report->loss_before);
      const Curve& agreement = done.report->curves[1];
      ASSERT_EQ(agreement.name, "agreement");
      EXPECT_GT(agreement.values.back(), agreement.values.front());
    }
  }
}

/// The same function with weights of other sizes: `factor` goes from the second layer to the first.
ir::Graph rescaled(ir::Graph graph, float factor) {
  for (ir::Node& node : graph.nodes()) {
    if (!node.is(ir::OpKind::constant)) continue;
    std::vector<float> numbers = node.output().constant()->to_floats();
    for (float& number : numbers) number *= node.output().name() == "w2" ? 1 / factor : factor;
    graph.set_tensor(node, ir::Tensor::of<float>(node.output().constant()->dims(), numbers));
  }
  return graph;
}

TEST(Distill, RelativeRatesSuitLayersOfAnySize) {
  const auto loss_after = [](const std::string& optimizer, float factor) {
    const Outcome done =
        run(rescaled(network(2), factor), network(1), {.optimizer = optimizer, .rate = 0.02, .epochs = 20});
    return done.report.ok() ? done.report->loss_after / done.report->loss_before : -1;
  };
  const double plain = loss_after("relative", 1), scaled = loss_after("relative", 256);
  EXPECT_LT(plain, 0.3);
  EXPECT_NEAR(scaled, plain, 0.02 * plain);
  const double absolute = loss_after("adamw", 1);
  EXPECT_GT(std::abs(loss_after("adamw", 256) - absolute), 0.5 * absolute);
}

/// As `network`, but the numbers come in together: the first layer sees their running sums, ten times as large.
ir::Graph summing(int seed) {
  const std::string s = std::to_string(seed);
  return parsed(R"(graph @net(%x: f32[N,4]) -> (scores) {
  %m = constant {10, 10, 10, 10, 0, 10, 10, 10, 0, 0, 10, 10, 0, 0, 0, 10} : f32[4,4]
  %w1 = constant random(seed=)" +
                s + R"(1) : f32[16,4]
  %w2 = constant random(seed=)" +
                s + R"(3) : f32[3,16]
  %s = mat_mul %x, %m @"sums"
  %h = gemm %s, %w1 {transB=1} @"hidden"
  %r = relu %h @"relu"
  %y = gemm %r, %w2 {transB=1} @"scores"
  return %y
})");
}

TEST(Distill, EigenvectorsOfGradientsHelpWhereInputsVaryTogether) {
  const auto loss_after = [](const std::string& optimizer) {
    const Outcome done =
        run(summing(2), summing(1), {.optimizer = optimizer, .rate = 0.1, .freeze = {"m"}, .epochs = 20});
    EXPECT_TRUE(done.report.ok()) << done.report.error().text();
    return done.report->loss_after / done.report->loss_before;
  };
  EXPECT_LT(loss_after("soap"), 0.5 * loss_after("relative"));
}

TEST(Distill, LearnsLabelsWithoutATeacher) {
  const Outcome done = run(network(2), network(2), {.losses = {"cross-entropy"}, .rate = 0.01, .epochs = 40},
                           Points({1, 4}, 300, /*labels=*/true));
  ASSERT_TRUE(done.report.ok()) << done.report.error().text();
  EXPECT_LT(done.report->loss_after, 0.5);
  ASSERT_EQ(done.report->curves[1].name, "top1");
  EXPECT_GT(done.report->curves[1].values.back(), 80);
}

TEST(Distill, MatchesValuesInside) {
  const Outcome done = run(network(2), network(1), {.features = {"relu=relu"}, .rate = 0.01, .epochs = 30});
  ASSERT_TRUE(done.report.ok()) << done.report.error().text();
  EXPECT_LT(done.report->loss_after, 0.3 * done.report->loss_before);
}

TEST(Distill, KeepsWhatCameWhereNothingIsBetter) {
  const ir::Graph student = network(2);
  const Outcome done = run(student.clone(), network(1), {.rate = 0, .epochs = 3});
  ASSERT_TRUE(done.report.ok()) << done.report.error().text();
  EXPECT_FALSE(done.report->changed);
  EXPECT_EQ(text_of(done.student), text_of(student));
  EXPECT_NE(done.report->notes[0].find("no weights did better on the 30 held-out samples"), std::string::npos);
}

TEST(Distill, HasNothingToLearnFromItself) {
  const Outcome done = run(network(1), network(1), {});
  ASSERT_TRUE(done.report.ok()) << done.report.error().text();
  EXPECT_TRUE(done.report->nothing_to_learn);
  EXPECT_FALSE(done.report->changed);
}

TEST(Distill, GivesTheSameBitsForAnyNumberOfThreads) {
  const DistillOptions options = {.clip = 0.5, .ema = 0.9, .epochs = 3, .batch = 48};
  const Points data({1, 4}, 300);
  const std::string one = text_of(run(network(2), network(1), options, data, 1).student);
  EXPECT_NE(one, text_of(network(2)));
  EXPECT_EQ(text_of(run(network(2), network(1), options, data, 2).student), one);
  EXPECT_EQ(text_of(run(network(2), network(1), options, data, 5).student), one);
  DistillOptions other = options;
  other.seed = 1;
  EXPECT_NE(text_of(run(network(2), network(1), other, data, 2).student), one);
}

TEST(Distill, AugmentsTheSameWayForAnyNumberOfThreads) {
  DistillOptions options = {.epochs = 3};
  const std::string plain = text_of(run(network(2), network(1), options).student);
  options.augment = {.mixup = 0.5, .noise = 0.1};
  const Points data({1, 4}, 300);
  const std::string one = text_of(run(network(2), network(1), options, data, 1).student);
  EXPECT_NE(one, plain);
  EXPECT_EQ(text_of(run(network(2), network(1), options, data, 2).student), one);
  options.augment = {.flip = true};
  expect_error(run(network(2), network(1), options), ErrorKind::usage, "flip changes pictures", "");
}

TEST(Distill, LearnsMixedLabels) {
  const Outcome done =
      run(network(2), network(2), {.losses = {"cross-entropy"}, .rate = 0.01, .epochs = 40, .augment = {.mixup = 0.2}},
          Points({1, 4}, 300, /*labels=*/true));
  ASSERT_TRUE(done.report.ok()) << done.report.error().text();
  EXPECT_GT(done.report->curves[1].values.back(), 80);
}

/// Every other weight is zero.
ir::Graph masked_network() {
  ir::Graph student = network(2);
  for (ir::Node& node : student.nodes()) {
    if (!node.is(ir::OpKind::constant) || node.tensor().rank() < 2) continue;
    std::vector<float> numbers = node.tensor().to_floats();
    for (size_t i = 0; i < numbers.size(); i += 2) numbers[i] = 0;
    student.set_tensor(node, ir::Tensor::of<float>(node.tensor().dims(), numbers));
  }
  return student;
}

TEST(Distill, KeepsMasks) {
  const Outcome done = run(masked_network(), network(1), {.rate = 0.01, .epochs = 5});
  ASSERT_TRUE(done.report.ok()) << done.report.error().text();
  EXPECT_TRUE(done.report->changed);
  for (const ir::Node& node : done.student.nodes()) {
    if (!node.is(ir::OpKind::constant) || node.tensor().rank() < 2) continue;
    const std::vector<float> numbers = node.tensor().to_floats();
    for (size_t i = 0; i < numbers.size(); ++i) EXPECT_EQ(numbers[i] == 0, i % 2 == 0) << i;
  }
}

/// The first layer's weights take one of four numbers each, drawn without regard to the teacher.
ir::Graph shared_network() {
  ir::Graph graph = network(2);
  for (ir::Node& node : graph.nodes()) {
    if (!node.is(ir::OpKind::constant) || node.output().name() != "w1") continue;
    ir::Tensor indices = ir::Tensor::zeros(ir::DType::u4, {16, 4});
    for (size_t i = 0; i < 32; ++i) indices.mutable_bytes()[i] = static_cast<std::byte>(i * 7 % 4 | i * 5 % 4 << 4);
    graph.set_tensor(
        node,
        ir::Tensor::palette(indices, ir::Tensor::of<float>({1, 4}, std::vector<float>{-0.6F, -0.2F, 0.2F, 0.6F}), 0));
  }
  return graph;
}

TEST(Distill, LetsWeightsTakeOtherEntriesOfTheirCodebooks) {
  DistillOptions options = {.rate = 0.01, .epochs = 30};
  const Outcome kept = run(shared_network(), network(1), options);
  options.learn_indices = true;
  const Outcome learned = run(shared_network(), network(1), options);
  ASSERT_TRUE(learned.report.ok()) << learned.report.error().text();
  EXPECT_LT(learned.report->loss_after, 0.8 * kept.report->loss_after);
  for (const ir::Node& node : learned.student.nodes()) {
    if (!node.is(ir::OpKind::constant) || node.output().name() != "w1") continue;
    EXPECT_EQ(node.tensor().codebooks().dims(), (ir::Dims{1, 4}));
  }
  EXPECT_EQ(text_of(run(shared_network(), network(1), options, Points({1, 4}, 300), 1).student),
            text_of(learned.student));
}

TEST(Distill, ChoosesTheOptimizerByWhatIsTrained) {
  const auto chosen = [](ir::Graph student, const DistillOptions& options) {
    const Outcome done = run(std::move(student), network(1), options);
    EXPECT_TRUE(done.report.ok()) << done.report.error().text();
    const std::string& note = done.report->notes[0];
    return note.substr(0, note.find(" against"));
  };
  EXPECT_EQ(chosen(masked_network(), {.epochs = 4}), "16 steps of 64 samples by soap at 0.005");
  EXPECT_EQ(chosen(masked_network(), {.rate = 0.01, .epochs = 4}), "16 steps of 64 samples by adam at 0.01");
  EXPECT_EQ(chosen(network(2), {.epochs = 4}), "16 steps of 64 samples by adam at 0.001");
  // Of the shared network the codebook alone, and its indices too.
  EXPECT_EQ(chosen(shared_network(), {.freeze = {"w2"}, .epochs = 4}), "16 steps of 64 samples by soap at 0.005");
  EXPECT_EQ(chosen(shared_network(), {.learn_indices = true, .freeze = {"w2"}, .epochs = 4}),
            "16 steps of 64 samples by adam at 0.001");
}

TEST(Distill, StopsWithoutABetterJudgement) {
  const Outcome done = run(network(2), network(1), {.rate = 0, .epochs = 30, .patience = 3});
  ASSERT_TRUE(done.report.ok()) << done.report.error().text();
  EXPECT_EQ(done.report->steps, 3 * (270 / 64));
}

TEST(Distill, CutsBatchesSmallerForTheMemoryLimit) {
  const Outcome whole = run(network(2), network(1), {.rate = 0.01, .epochs = 4});
  ASSERT_TRUE(whole.report.ok()) << whole.report.error().text();
  EXPECT_EQ(whole.report->shard, 16);
  const Outcome cut =
      run(network(2), network(1), {.rate = 0.01, .epochs = 4, .memory_limit = whole.report->activation_bytes / 3});
  ASSERT_TRUE(cut.report.ok()) << cut.report.error().text();
  EXPECT_LT(cut.report->shard, 8);
  EXPECT_LE(cut.report->activation_bytes, whole.report->activation_bytes / 3);
  EXPECT_NEAR(cut.report->loss_after, whole.report->loss_after, 1e-3 * whole.report->loss_after);
  expect_error(run(network(2), network(1), {.memory_limit = 10}), ErrorKind::io, "the limit is 10", "--memory-limit");
}

TEST(Distill, TrainsModelsOfAFixedBatch) {
  const DistillOptions options = {.rate = 0.01, .epochs = 4};
  const Outcome free = run(network(2), network(1), options);
  const Outcome fixed = run(network(2, "scores", 3, "7"), network(1, "scores", 3, "1"), options);
  ASSERT_TRUE(fixed.report.ok()) << fixed.report.error().text();
  EXPECT_EQ(fixed.report->shard, 7);
  EXPECT_NEAR(fixed.report->loss_before, free.report->loss_before, 1e-5 * free.report->loss_before);
  EXPECT_NEAR(fixed.report->loss_after, free.report->loss_after, 1e-3 * free.report->loss_after);
}

class Resume : public ::testing::Test {
 protected:
  testing::TemporaryFolder folder_;
  DistillOptions options_ = {.rate = 0.01, .ema = 0.9, .epochs = 4, .batch = 32};
};

TEST_F(Resume, GoesOnToTheSameBits) {
  const std::string undisturbed = text_of(run(network(2), network(1), options_).student);
  DistillOptions first = options_;
  first.checkpoint = folder_ / "c.npz";
  first.time_limit = 1e-9;  // one step
  const Outcome begun = run(network(2), network(1), first);
  ASSERT_TRUE(begun.report.ok()) << begun.report.error().text();
  EXPECT_EQ(begun.report->steps, 1);
  DistillOptions second = options_;
  second.resume = folder_ / "c.npz";
  const Outcome resumed = run(network(2), network(1), second);
  ASSERT_TRUE(resumed.report.ok()) << resumed.report.error().text();
  EXPECT_EQ(text_of(resumed.student), undisturbed);
}

TEST_F(Resume, GoesOnWithTheAxesOfGradients) {
  options_.optimizer = "soap";
  options_.steps = 24;
  const std::string undisturbed = text_of(run(network(2), network(1), options_).student);
  DistillOptions first = options_;
  first.checkpoint = folder_ / "c.npz";
  first.time_limit = 1e-9;  // one step
  ASSERT_TRUE(run(network(2), network(1), first).report.ok());
  DistillOptions second = options_;
  second.resume = folder_ / "c.npz";
  const Outcome resumed = run(network(2), network(1), second, Points({1, 4}, 300), 1);
  ASSERT_TRUE(resumed.report.ok()) << resumed.report.error().text();
  EXPECT_EQ(text_of(resumed.student), undisturbed);
}

/// As many points as there are by default, others.
class Shifted final : public Points {
 public:
  Shifted() : Points({1, 4}, 300) {}
  Result<data::Sample> sample(int64_t index) const override { return Points::sample(index + 1); }
};

TEST_F(Resume, RefusesTheCheckpointOfAnotherTraining) {
  DistillOptions first = options_;
  first.checkpoint = folder_ / "c.npz";
  ASSERT_TRUE(run(network(2), network(1), first).report.ok());
  DistillOptions second = options_;
  second.resume = folder_ / "c.npz";
  expect_error(run(network(3), network(1), second), ErrorKind::usage, "another training", "without --resume");
  expect_error(run(network(2), network(4), second), ErrorKind::usage, "another training", "without --resume");
  expect_error(run(network(2), network(1), second, Shifted()), ErrorKind::usage, "another training",
               "without --resume");
  second.rate = 0.02;
  expect_error(run(network(2), network(1), second), ErrorKind::usage, "another training", "without --resume");
}

TEST_F(Resume, RefusesWhatIsNoCheckpoint) {
  DistillOptions options = options_;
  options.resume = folder_ / "d.npz";
  testing::write_data(options.resume, 10, 1);
  expect_error(run(network(2), network(1), options), ErrorKind::invalid, "is no checkpoint", "--checkpoint wrote");
}

TEST(DistillErrors, NameOutputsThatDoNotFit) {
  expect_error(run(network(2), network(1, "scores", 5), {}), ErrorKind::usage,
               "output 'scores' of the student is f32[N,3], 'scores' of the teacher is f32[N,5]", "--match");
  const ir::Graph two = parsed(R"(graph @two(%x: f32[N,4]) -> (a, b) {
  %a = relu %x
  %b = neg %x
  return %a, %b
})");
  expect_error(run(network(2), two, {}), ErrorKind::usage, "output 'scores' of the student has no counterpart",
               "--match scores=NAME");
  expect_error(run(network(2), network(1), {.match = {"scores=logits"}}), ErrorKind::usage,
               "the teacher has no output 'logits'", "scores");
  expect_error(run(network(2), network(1), {.features = {"rely=relu"}}), ErrorKind::usage,
               "the student has no value 'rely'", "");
  expect_error(run(network(2), network(1), {.losses = {"k1"}}), ErrorKind::usage, "unknown loss 'k1'", "kl");
}

TEST(DistillErrors, NameFormsThatTheStudentDoesNotHave) {
  expect_error(run(network(2), network(1), {.keep_steps = true}), ErrorKind::usage, "the student has none", "quantize");
  expect_error(run(network(2), network(1), {.learn_indices = true}), ErrorKind::usage, "the student has none", "share");
}

TEST(DistillErrors, NameTheSampleThatATeacherFailsOn) {
  ir::Graph teacher = network(1);
  for (ir::Node& node : teacher.nodes()) {
    if (node.is(ir::OpKind::relu)) teacher.set_op(node, ir::OpKind::log);
  }
  expect_error(run(network(2), teacher, {}), ErrorKind::invalid, ": the teacher answers NaN or infinity", "sample");
}

TEST(DistillErrors, MapOutputsOfOtherNames) {
  EXPECT_TRUE(run(network(2), network(1, "logits"), {.epochs = 1}).report.ok());
  EXPECT_TRUE(run(network(2), network(1, "logits"), {.match = {"scores=logits"}, .epochs = 1}).report.ok());
}

TEST(DistillErrors, SayWhatTheDataLack) {
  expect_error(run(network(2), network(1), {.losses = {"cross-entropy"}}), ErrorKind::usage,
               "a loss needs labels, the training data have none", "--labels");
  expect_error(run(network(2), network(1), {.batch = 271}), ErrorKind::usage,
               "a batch of 271 is larger than the 270 samples that are trained on (30 are held out)", "--batch 270");
  expect_error(run(network(2), network(1), {}, Points({1, 4}, 1)), ErrorKind::usage, "needs two samples", "--train");
}

TEST(DistillErrors, NameTheNodeWithoutAGradientAndWhatToFreeze) {
  const char* text = R"(graph @net(%x: f32[N,4]) -> (scores) {
  %w1 = constant random(seed=1) : f32[4,8]
  %w2 = constant random(seed=2) : f32[8,3]
  %h = mat_mul %x, %w1
  %cut = floor %h @"cut"
  %y = mat_mul %cut, %w2
  return %y
})";
  expect_error(run(parsed(text), network(1), {}), ErrorKind::unsupported, "floor 'cut': operator Floor has no gradient",
               "freeze the weights behind it with --freeze: w1");
  const Outcome frozen = run(parsed(text), network(1), {.freeze = {"w1"}, .epochs = 2});
  EXPECT_TRUE(frozen.report.ok()) << frozen.report.error().text();
  expect_error(run(parsed(text), network(1), {.freeze = {"w1", "x*"}}), ErrorKind::usage, "matches no weight", "w1");
  expect_error(run(parsed(text), network(1), {.freeze = {"*"}}), ErrorKind::usage, "no weight to train", "--freeze");
}

TEST(DistillErrors, StopWhereTheLossIsNoNumberAndKeepTheBest) {
  const ir::Graph student = network(2);
  const Outcome done =
      run(student.clone(), network(1), {.losses = {"mse"}, .optimizer = "sgd", .rate = 1e6, .epochs = 9});
  ASSERT_TRUE(done.report.ok()) << done.report.error().text();
  EXPECT_FALSE(done.report->changed);
  EXPECT_EQ(text_of(done.student), text_of(student));
  ASSERT_EQ(done.report->warnings.size(), 1u);
  EXPECT_NE(done.report->warnings[0].find("stopped at step "), std::string::npos);
  EXPECT_NE(done.report->warnings[0].find("learning rate of 1e+06 is too high"), std::string::npos)
      << done.report->warnings[0];
}

}  // namespace
}  // namespace edgesmith::train
