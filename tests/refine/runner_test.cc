// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/refine/runner.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "edgesmith/base/log.h"
#include "edgesmith/onnx/import.h"
#include "support/tiny_model.h"

namespace edgesmith::refine {
namespace {

namespace fs = std::filesystem;

class Runner : public ::testing::Test {
 protected:
  void SetUp() override {
    log::set_level(log::Level::off);
    testing::write_model(testing::kTinyModel, folder_ / "m.onnx");
    testing::write_data(folder_ / "eval.npz", 60, 1, 6);
    testing::write_data(folder_ / "other.npz", 30, 2);
  }
  void TearDown() override {
    log::take_warnings();
    log::set_level(log::Level::info);
  }

  /// A recipe in the folder, with the model and an output.
  Result<RunReport> run(const std::string& text, RunOptions options = {}) {
    options.threads = 2;
    auto recipe = parse_recipe("model = \"m.onnx\"\noutput = \"out.onnx\"\n" + text, "r.toml", folder_.path());
    if (!recipe) return recipe.error();
    return run_recipe(*recipe, options);
  }
  bool wrote() const { return fs::exists(folder_ / "out.onnx"); }

  testing::TemporaryFolder folder_;
};

constexpr const char* kEval = "[data]\neval = \"eval.npz\"\n";
constexpr const char* kSimplify = "[[step]]\npass = \"simplify\"\n";

TEST_F(Runner, MeasuresBeforeAndAfterAndWritesTheResult) {
  const auto report = run(std::string(kEval) + "[gate]\nmax_drop = 0.5\n" + kSimplify);
  ASSERT_TRUE(report.ok()) << report.error().text();
  EXPECT_EQ(report->exit_code, 0);
  ASSERT_TRUE(report->baseline.has_value());
  EXPECT_EQ(report->baseline->metric->name, "top1");
  EXPECT_NEAR(report->baseline->value, 90.0, 1e-9);
  ASSERT_EQ(report->steps.size(), 1u);
  EXPECT_EQ(report->steps[0].status, StepStatus::accepted);
  EXPECT_EQ(report->steps[0].drop->drop, 0.0);
  EXPECT_EQ(report->steps[0].agreement, 100.0);
  EXPECT_LT(report->steps[0].size.nodes, report->model.size.nodes);
  EXPECT_EQ(report->model.size.params, 9);
  EXPECT_EQ(report->model.size.nonzero, 3);
  EXPECT_EQ(report->model.size.macs, 9);
  ASSERT_TRUE(report->output.has_value());
  EXPECT_EQ(static_cast<uintmax_t>(report->output->size.bytes), fs::file_size(folder_ / "out.onnx"));
  EXPECT_EQ(report->output->size.bytes, report->steps[0].size.bytes) << "bytes reported are bytes written";
  EXPECT_TRUE(onnx::import_file(folder_ / "out.onnx").ok());
}

TEST_F(Runner, ComparesWithTheOriginalWithoutLabels) {
  const auto report = run("[data]\neval = { path = \"eval.npz\", labels = \"none\" }\n" + std::string(kSimplify));
  ASSERT_TRUE(report.ok()) << report.error().text();
  EXPECT_EQ(report->baseline->metric->name, "agreement");
  EXPECT_EQ(report->baseline->value, 100.0);
  EXPECT_EQ(report->final_drop->drop, 0.0);
}

/// Full-range weights, which only CPUs with exact sums compute right.
constexpr const char* kQuantizeAtFullRange =
    "[data]\ncalib = \"other.npz\"\neval = \"eval.npz\"\n[[step]]\npass = \"quantize\"\npair_safe = \"off\"\n";

TEST_F(Runner, HoldsTheBudgetUnderTheArithmeticOfEveryTargetNamed) {
  testing::write_model(testing::kSaturatingModel, folder_ / "m.onnx");
  const auto one = run("[gate]\nmax_drop = 1\ntargets = [\"ort-x86-vnni\"]\n" + std::string(kQuantizeAtFullRange));
  ASSERT_TRUE(one.ok()) << one.error().text();
  EXPECT_EQ(one->exit_code, 0) << one->verdict;
  ASSERT_EQ(one->steps[0].targets.size(), 1u);
  EXPECT_EQ(one->steps[0].targets[0].arithmetic, "exact-i32");
  EXPECT_EQ(one->steps[0].targets[0].metric.value, one->steps[0].metric->value);
  ASSERT_EQ(one->final_targets.size(), 1u);
  fs::remove(folder_ / "out.onnx");

  const auto all = run("[gate]\nmax_drop = 1\ntargets = [\"ort-x86-vnni\", \"openvino-x86\", \"ort-arm\"]\n" +
                       std::string(kQuantizeAtFullRange));
  ASSERT_TRUE(all.ok()) << all.error().text();
  EXPECT_EQ(all->exit_code, 1);
  const StepReport& step = all->steps[0];
  EXPECT_EQ(step.status, StepStatus::rolled_back);
  EXPECT_NE(step.reason.find("against the original on openvino-x86, the budget is 1.00 points"), std::string::npos)
      << step.reason;
  ASSERT_EQ(step.targets.size(), 3u);
  EXPECT_EQ(step.targets[1].arithmetic, "x86-u8s8-saturating");
  EXPECT_GT(step.targets[1].drop.drop, 1);
  EXPECT_EQ(step.targets[0].metric.value, step.targets[2].metric.value) << "one arithmetic, measured once";
  EXPECT_LE(step.targets[0].drop.drop, 1);
  EXPECT_FALSE(wrote());
}

TEST_F(Runner, MeasuresOnceForEveryArithmetic) {
  struct Counter final : ProgressSink {
    void begin(std::string_view what, int64_t) override { names.emplace_back(what); }
    std::vector<std::string> names;
  } counter;
  RunOptions options;
  options.progress = &counter;
  const std::string targets = "targets = [\"ort-x86-vnni\", \"ort-arm\", \"cmsis-nn-l4r5\", \"cmsis-nn-h7a3\"]\n";
  const auto report = run("[gate]\n" + targets + kEval + kSimplify, options);
  ASSERT_TRUE(report.ok()) << report.error().text();
  EXPECT_EQ(report->steps[0].targets.size(), 4u);
  EXPECT_EQ(counter.names, (std::vector<std::string>{"measure the original", "measure after simplify (exact-i32)",
                                                     "measure after simplify (tflite)"}));
}

TEST_F(Runner, GatesNothingWithoutData) {
  const auto report = run("[gate]\nmax_drop = 0.5\n" + std::string(kSimplify));
  ASSERT_TRUE(report.ok()) << report.error().text();
  EXPECT_EQ(report->exit_code, 0);
  EXPECT_FALSE(report->baseline.has_value());
  EXPECT_EQ(report->warnings, std::vector<std::string>{"no evaluation data: the accuracy budget is not checked"});
  EXPECT_EQ(report->verdict, "nothing was gated: no evaluation data were given");
}

/// Notes what was begun.
class Begun : public ProgressSink {
 public:
  void begin(std::string_view what, int64_t) override { whats.emplace_back(what); }
  std::vector<std::string> whats;
};

TEST_F(Runner, AsksForCalibrationDataBeforeAnyWork) {
  const std::string steps = std::string(kEval) + kSimplify + "[[step]]\npass = \"quantize\"\n";
  Begun begun;
  const auto report = run(steps, {.progress = &begun});
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().kind, ErrorKind::usage);
  EXPECT_EQ(report.error().message, "quantize needs calibration data");
  EXPECT_TRUE(begun.whats.empty()) << begun.whats.front();
  EXPECT_FALSE(wrote());
  EXPECT_TRUE(run(steps + "weights_only = true\n").ok());
}

TEST_F(Runner, WritesNothingWhenNoStepWasAccepted) {
  const auto report = run(std::string(kEval) + "[gate]\nmax_bytes = 1\n" + kSimplify);
  ASSERT_TRUE(report.ok()) << report.error().text();
  EXPECT_EQ(report->exit_code, 1);
  EXPECT_EQ(report->steps[0].status, StepStatus::rolled_back);
  EXPECT_FALSE(report->output.has_value());
  EXPECT_FALSE(wrote());
}

TEST_F(Runner, HoldsMemoryAndTimeOnTheTarget) {
  const std::string head = "target = \"cmsis-nn-l4r5\"\n" + std::string(kEval);
  const auto kept = run(head + "[gate]\nmax_ram = \"1 MiB\"\nmax_latency_us = 1000\nmin_speedup = 1\n" + kSimplify);
  ASSERT_TRUE(kept.ok()) << kept.error().text();
  EXPECT_EQ(kept->exit_code, 0) << kept->verdict;
  const TargetNeeds& needs = kept->final_needs;
  EXPECT_GT(needs.ram_bytes.value_or(0), 0);
  EXPECT_GT(needs.latency_us.value_or(0), 0);
  EXPECT_GE(needs.speedup.value_or(0), 1);
  EXPECT_FALSE(needs.measured) << "by the target's cost model";
  EXPECT_NE(kept->verdict.find(" of at most 1,048,576 bytes of memory, and takes "), std::string::npos)
      << kept->verdict;
  fs::remove(folder_ / "out.onnx");
  for (const char* budget : {"max_ram = 1", "max_latency_us = 0.000001", "min_speedup = 1000"}) {
    const auto broken = run(head + "[gate]\n" + budget + "\n" + kSimplify);
    ASSERT_TRUE(broken.ok()) << broken.error().text();
    EXPECT_EQ(broken->exit_code, 1) << budget;
    EXPECT_EQ(broken->steps[0].status, StepStatus::rolled_back) << budget;
    EXPECT_FALSE(wrote());
    // Where no step changes anything the model itself is held to the budget.
    const auto idle = run(head + "[gate]\n" + budget + "\n[[step]]\npass = \"fuse-pad\"\n");
    ASSERT_TRUE(idle.ok()) << idle.error().text();
    EXPECT_EQ(idle->exit_code, 1) << budget;
    EXPECT_EQ(idle->steps[0].status, StepStatus::unchanged);
    EXPECT_EQ(idle->verdict.rfind("the result ", 0), 0u) << idle->verdict;
  }
}

TEST_F(Runner, MeasuresTimeOnThisMachine) {
  const auto report = run("target = \"host\"\n" + std::string(kEval) + "[gate]\nmax_latency_us = 1e7\n" + kSimplify);
  ASSERT_TRUE(report.ok()) << report.error().text();
  EXPECT_EQ(report->exit_code, 0) << report->verdict;
  EXPECT_TRUE(report->final_needs.measured);
  EXPECT_GT(report->final_needs.latency_us.value_or(0), 0);
  EXPECT_LE(report->final_needs.speedup_ci95[0], report->final_needs.speedup.value_or(0));
}

TEST_F(Runner, AsksAProgramForTheMetric) {
  // The share of samples whose first logit is positive falls from one model to the next.
  const std::string program = "metric = \"mine\"\nmetric_command = \"sh " + (folder_ / "count.sh") + "\"\n";
  ASSERT_TRUE(write_file(folder_ / "count.sh", "n=$(cat " + (folder_ / "n") +
                                                   " 2>/dev/null || echo 5); echo $((n - 1)) > " + (folder_ / "n") +
                                                   "; echo \"{\\\"value\\\": $n}\"")
                  .ok());
  const auto report = run(std::string(kEval) + "[gate]\nmax_drop = 1\n" + program + kSimplify);
  ASSERT_TRUE(report.ok()) << report.error().text();
  EXPECT_EQ(report->baseline->metric->name, "mine");
  EXPECT_EQ(report->baseline->value, 5);
  EXPECT_EQ(report->baseline->samples, 60);
  EXPECT_EQ(report->steps[0].status, StepStatus::accepted);
  EXPECT_EQ(report->steps[0].drop->drop, 1);
  fs::remove(folder_ / "out.onnx");
  fs::remove(folder_ / "n");
  const auto lower =
      run(std::string(kEval) + "[gate]\nmax_drop = 0.5\n" + program + "metric_better = \"lower\"\n" + kSimplify);
  ASSERT_TRUE(lower.ok()) << lower.error().text();
  EXPECT_EQ(lower->steps[0].drop->drop, -1);
  EXPECT_EQ(lower->exit_code, 0);
  fs::remove(folder_ / "out.onnx");
  fs::remove(folder_ / "n");
  const auto strict = run(std::string(kEval) + "[gate]\nmax_drop = 0.5\n" + program + kSimplify);
  ASSERT_TRUE(strict.ok()) << strict.error().text();
  EXPECT_EQ(strict->steps[0].reason, "mine drops by 1 against the original, the budget is 0.5");
  EXPECT_EQ(strict->exit_code, 1);
}

TEST_F(Runner, KeepsTheBestModelWhenALaterStepIsRolledBack) {
  const auto report = run(std::string(kEval) + R"(
[[step]]
pass = "eliminate-identities"
[[step]]
pass = "fold-constants"
max_bytes = 1
[[step]]
pass = "eliminate-identities"
)");
  ASSERT_TRUE(report.ok()) << report.error().text();
  EXPECT_EQ(report->exit_code, 1);
  EXPECT_EQ(report->steps[0].status, StepStatus::accepted);
  EXPECT_EQ(report->steps[1].status, StepStatus::rolled_back);
  EXPECT_EQ(report->steps[2].status, StepStatus::unchanged);
  ASSERT_TRUE(report->steps[2].metric.has_value()) << "what the model measures that went on unchanged";
  EXPECT_EQ(report->steps[2].metric->value, report->steps[0].metric->value);
  EXPECT_EQ(report->steps[2].drop->drop, report->steps[0].drop->drop);
  EXPECT_TRUE(wrote());
}

TEST_F(Runner, ExitsWithZeroAfterARollbackThatIsAllowed) {
  RunOptions options;
  options.allow_rollback = true;
  const auto report = run(std::string(kEval) + "[gate]\nmax_bytes = 1\n" + kSimplify, options);
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->exit_code, 0);
  EXPECT_FALSE(wrote());
}

TEST_F(Runner, StopsAndWritesNothingWhenAskedToFail) {
  const auto report =
      run(std::string(kEval) + "[gate]\non_fail = \"fail\"\n[[step]]\npass = \"eliminate-identities\"\n" +
          "max_bytes = 1\n" + kSimplify);
  ASSERT_TRUE(report.ok()) << report.error().text();
  EXPECT_EQ(report->exit_code, 1);
  ASSERT_EQ(report->steps.size(), 1u);
  EXPECT_EQ(report->steps[0].status, StepStatus::failed);
  EXPECT_FALSE(wrote());
}

TEST_F(Runner, SaysWhenAStepFoundNothingToDo) {
  const auto report = run("[[step]]\npass = \"fuse-pad\"\n");
  ASSERT_TRUE(report.ok()) << report.error().text();
  EXPECT_EQ(report->exit_code, 0);
  EXPECT_EQ(report->steps[0].status, StepStatus::unchanged);
  EXPECT_EQ(report->warnings, std::vector<std::string>{"fuse-pad changed nothing: found nothing to do"});
  EXPECT_TRUE(wrote());
}

TEST_F(Runner, StoresThePreprocessingInTheModel) {
  const auto report =
      run("[data]\neval = { path = \"eval.npz\", preprocess = { scale = 2.0 } }\n" + std::string(kSimplify));
  ASSERT_TRUE(report.ok()) << report.error().text();
  const auto graph = onnx::import_file(folder_ / "out.onnx");
  ASSERT_TRUE(graph.ok());
  const std::string* stored = graph->find_metadata("edgesmith.preprocess");
  ASSERT_NE(stored, nullptr);
  EXPECT_EQ(*stored, report->data[0].preprocess);
}

TEST_F(Runner, WarnsOfCalibrationSamplesThatAreEvaluatedToo) {
  const auto report =
      run("[data]\ncalib = { path = \"eval.npz\", limit = 10 }\neval = \"eval.npz\"\n" + std::string(kSimplify));
  ASSERT_TRUE(report.ok()) << report.error().text();
  ASSERT_EQ(report->warnings.size(), 1u);
  EXPECT_EQ(report->warnings[0],
            "10 of the 10 calibration samples are also in the evaluation data: the measured accuracy is too good");
}

TEST_F(Runner, RefusesTestDataThatWereCalibratedOn) {
  const auto report = run("[data]\ncalib = \"other.npz\"\ntest = \"other.npz\"\n" + std::string(kSimplify));
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().kind, ErrorKind::invalid);
  EXPECT_EQ(report.error().message, "30 of the 30 calibration samples are also in the test data");
  EXPECT_FALSE(wrote());
}

TEST_F(Runner, MeasuresTheTestDataOnceForTheReport) {
  const auto report = run("[data]\neval = \"eval.npz\"\ntest = \"other.npz\"\n" + std::string(kSimplify));
  ASSERT_TRUE(report.ok()) << report.error().text();
  EXPECT_NEAR(report->test_before->value, 100.0, 1e-9);
  EXPECT_NEAR(report->test_after->value, 100.0, 1e-9);
  EXPECT_EQ(report->test_after->samples, 30);
}

TEST_F(Runner, NeverWritesOverTheInputOrAnExistingFile) {
  auto recipe = parse_recipe("model = \"m.onnx\"\noutput = \"./sub/../m.onnx\"\n", "r.toml", folder_.path());
  RunOptions options;
  options.force = true;
  EXPECT_EQ(run_recipe(*recipe, options).error().message, (folder_ / "m.onnx") + ": the output is the input");
  fs::create_symlink(folder_ / "m.onnx", folder_ / "link.onnx");
  EXPECT_EQ(check_output(folder_ / "link.onnx", std::vector{folder_ / "m.onnx"}, true).error().kind, ErrorKind::usage);
  fs::create_hard_link(folder_ / "m.onnx", folder_ / "hard.onnx");
  EXPECT_EQ(check_output(folder_ / "hard.onnx", std::vector{folder_ / "m.onnx"}, true).error().kind, ErrorKind::usage);
  recipe = parse_recipe("model = \"m.onnx\"\noutput = \"eval.npz\"\n[data]\neval = \"eval.npz\"\n", "r.toml",
                        folder_.path());
  EXPECT_EQ(run_recipe(*recipe, options).error().message, (folder_ / "eval.npz") + ": the output is the input");
  ASSERT_TRUE(write_file(folder_ / "out.onnx", "mine").ok());
  EXPECT_EQ(run(kSimplify).error().kind, ErrorKind::usage);
  EXPECT_EQ(*read_file(folder_ / "out.onnx"), "mine");
  EXPECT_EQ(check_output(folder_ / "missing/out.onnx", std::vector{folder_ / "m.onnx"}, false).error().kind,
            ErrorKind::io);
  EXPECT_EQ(check_output(folder_.path(), std::vector{folder_ / "m.onnx"}, true).error().kind, ErrorKind::usage);
}

TEST_F(Runner, GivesTheSameFileForAnyNumberOfThreads) {
  RunOptions options;
  options.force = true;
  const auto first = run(std::string(kEval) + kSimplify, options);
  ASSERT_TRUE(first.ok());
  auto recipe = parse_recipe("model = \"m.onnx\"\noutput = \"out.onnx\"\n" + std::string(kEval) + kSimplify, "r.toml",
                             folder_.path());
  options.threads = 1;
  const auto second = run_recipe(*recipe, options);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(first->output->sha256, second->output->sha256);
  EXPECT_EQ(first->final_metric->value, second->final_metric->value);
}

}  // namespace
}  // namespace edgesmith::refine
