// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/refine/metric_program.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>

#include "edgesmith/base/log.h"
#include "edgesmith/ir/text.h"
#include "edgesmith/refine/measure.h"
#include "support/tiny_model.h"

namespace edgesmith::refine {
namespace {

class Program : public ::testing::Test {
 protected:
  Program() : graph_(*ir::parse(testing::kTinyModel)) {
    for (int64_t i = 0; i < 3; ++i) {
      input_.outputs.push_back({ir::Tensor::of<float>({1, 3}, std::vector<float>{0, 1, 2})});
      input_.labels.push_back(i);
      input_.targets.emplace_back();
      input_.names.push_back("pictures/" + std::to_string(i) + ".png");
    }
  }
  Result<ProgramResult> run(const std::string& command, double timeout = 20) {
    auto program = MetricProgram::create({"mine", command, timeout, true});
    if (!program) return program.error();
    return run_metric_program(**program, graph_, input_);
  }

  ir::Graph graph_;
  ProgramInput input_;
};

TEST_F(Program, TakesTheNumberThatIsPrinted) {
  const auto result = run("echo '{\"value\": 0.25}' #");
  ASSERT_TRUE(result.ok()) << result.error().text();
  EXPECT_EQ(result->value, 0.25);
  EXPECT_TRUE(result->per_sample.empty());
  const auto list = run("echo '{\"value\": 2, \"per_sample\": [1, 2, 3]}' #");
  ASSERT_TRUE(list.ok()) << list.error().text();
  EXPECT_EQ(list->per_sample, (std::vector<double>{1, 2, 3}));
}

TEST_F(Program, SeesOutputsLabelsAndNames) {
  testing::TemporaryFolder folder;
  const std::string keep = "cp \"$1\" " + (folder / "o.npz") + "; cp \"$2\" " + (folder / "l.npz") +
                           "; cp $EDGESMITH_SAMPLES " + (folder / "s.txt") + "; echo '{\"value\": 1}'";
  ASSERT_TRUE(write_file(folder / "p.sh", keep).ok());
  ASSERT_TRUE(run("sh " + (folder / "p.sh")).ok());
  const auto outputs = data::read_npz(folder / "o.npz"), labels = data::read_npz(folder / "l.npz");
  ASSERT_TRUE(outputs.ok() && labels.ok());
  ASSERT_EQ(outputs->size(), 1u);
  EXPECT_EQ((*outputs)[0].name, "logits");
  EXPECT_EQ((*outputs)[0].tensor.dims(), (ir::Dims{3, 3}));
  ASSERT_EQ(labels->size(), 2u);
  EXPECT_EQ((*labels)[0].name, "index");
  EXPECT_EQ((*labels)[1].tensor.to_int64s(), (std::vector<int64_t>{0, 1, 2}));
  EXPECT_EQ(*read_file(folder / "s.txt"), "pictures/0.png\npictures/1.png\npictures/2.png\n");
}

TEST_F(Program, SaysWhyItFailed) {
  const Error error = run("echo no such annotation >&2; exit 7;").error();
  EXPECT_EQ(error.kind, ErrorKind::io);
  EXPECT_EQ(error.message,
            "the metric program 'echo no such annotation >&2; exit 7;' ended with exit code 7: no such annotation");
}

TEST_F(Program, DoesNotWaitForEver) {
  const auto start = std::chrono::steady_clock::now();
  const Error error = run("sleep 60 #", 0.2).error();
  EXPECT_EQ(error.kind, ErrorKind::io);
  EXPECT_EQ(error.message, "the metric program 'sleep 60 #' did not end within 0.2 s");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
}

TEST_F(Program, RefusesNonsense) {
  const std::pair<const char*, const char*> rows[] = {
      {"true", "printed nothing"},
      {"echo hello #", "printed 'hello', which is no JSON object"},
      {"echo 0.5 #", "printed '0.5', which is no JSON object"},
      {"echo '{\"valeu\": 1}' #", "gave no number \"value\""},
      {"echo '{\"value\": \"1\"}' #", "gave no number \"value\""},
      {"echo '{\"value\": 1e999}' #", "which is no JSON object"},
      {"echo '{\"value\": 1, \"per_sample\": [1]}' #", "gave 1 numbers \"per_sample\" for 3 samples"},
      {"echo '{\"value\": 1, \"per_sample\": 4}' #", "gave no list \"per_sample\" for 3 samples"},
      {"echo '{\"value\": 1, \"per_sample\": [1, 2, null]}' #", "gave something else than numbers"},
  };
  for (const auto& [command, what] : rows) {
    const auto result = run(command);
    ASSERT_FALSE(result.ok()) << command;
    EXPECT_EQ(result.error().kind, ErrorKind::invalid) << command;
    EXPECT_NE(result.error().message.find(what), std::string::npos) << result.error().message;
  }
}

TEST_F(Program, IsNotCalledLikeOneOfOurs) {
  EXPECT_EQ(MetricProgram::create({"top1", "true", 1, true}).error().kind, ErrorKind::usage);
}

TEST_F(Program, HasAnIntervalWhereItGivesNumbersForSamples) {
  const auto program = MetricProgram::create({"mine", "true", 1, true});
  ASSERT_TRUE(program.ok());
  const data::MetricInfo* info = &(*program)->info();
  const MetricNumbers a{info, {1, 1, 1, 0}, 0.75, 4}, b{info, {1, 0, 1, 0}, 0.5, 4};
  const data::PairedDifference drop = paired_difference(a, b);
  EXPECT_DOUBLE_EQ(drop.drop, 0.25);
  EXPECT_LT(drop.ci95[0], 0.25);
  EXPECT_GT(drop.ci95[1], 0.25);
  // Moved to the value, when that is another sum of them.
  const MetricNumbers other{info, {1, 1, 1, 0}, 3, 4};
  EXPECT_EQ(other.value().value, 3);
  EXPECT_LT(other.value().ci95[0], 3);
  EXPECT_GT(other.value().ci95[1], 3);
  const MetricNumbers plain{info, {}, 0.75, 4};
  EXPECT_TRUE(std::isnan(plain.value().ci95[0]));
  EXPECT_DOUBLE_EQ(paired_difference(plain, b).drop, 0.25);
  EXPECT_TRUE(std::isnan(paired_difference(plain, b).ci95[0]));
  const auto lower = MetricProgram::create({"mine", "true", 1, false});
  const data::MetricInfo* smaller = &(*lower)->info();
  EXPECT_DOUBLE_EQ(paired_difference({smaller, {}, 0.75, 4}, {smaller, {}, 0.5, 4}).drop, -0.25) << "lower is better";
}

}  // namespace
}  // namespace edgesmith::refine
