// SPDX-License-Identifier: Apache-2.0
// Recipes of several compressions: the gate judges each step, and what it refuses is undone and named.
#include <gtest/gtest.h>

#include <filesystem>

#include "edgesmith/base/log.h"
#include "edgesmith/onnx/import.h"
#include "edgesmith/refine/runner.h"
#include "support/tiny_model.h"

namespace edgesmith::refine {
namespace {

// The tiny classifier's classes by way of wide layers, of which most weights are needed or hardly any.
constexpr const char* kModel = R"(graph @wide(%x: f32[N,3]) -> (logits: f32[N,3]) {
  %w = constant random(seed=4) : f32[3,48]
  %v = constant random(seed=5) : f32[48,3]
  %near = constant {1, 0, 0, 0, 1, 0, 0, 0, 1} : f32[3,3]
  %again = identity %x : f32[N,3]
  %h = mat_mul %again, %w : f32[N,48] @"wide"
  %z = mat_mul %h, %v : f32[N,3] @"narrow"
  %few = constant {0.02} : f32[]
  %small = mul %z, %few : f32[N,3]
  %same = mat_mul %x, %near : f32[N,3] @"same"
  %y = add %same, %small : f32[N,3]
  return %y
}
)";

class ComposeGate : public ::testing::Test {
 protected:
  void SetUp() override {
    log::set_level(log::Level::off);
    testing::write_model(kModel, folder_ / "m.onnx");
    testing::write_data(folder_ / "eval.npz", 200, 1);
    testing::write_data(folder_ / "calib.npz", 64, 2);
  }
  void TearDown() override {
    log::take_warnings();
    log::set_level(log::Level::info);
  }

  Result<RunReport> run(const std::string& steps) {
    auto recipe = parse_recipe(
        "model = \"m.onnx\"\noutput = \"out.onnx\"\n[data]\ncalib = \"calib.npz\"\neval = { path = \"eval.npz\", "
        "labels = "
        "\"none\" }\n[gate]\nmax_drop = 5\n" +
            steps,
        "r.toml", folder_.path());
    if (!recipe) return recipe.error();
    return run_recipe(*recipe, {.threads = 2});
  }

  ir::Tensor weight_of(const std::string& name) {
    const auto graph = onnx::import_file(folder_ / "out.onnx");
    EXPECT_TRUE(graph.ok());
    for (const ir::Node& node : graph->nodes()) {
      if (node.name() == name) return *node.input(1)->constant();
    }
    ADD_FAILURE() << "no node " << name;
    return {};
  }

  testing::TemporaryFolder folder_;
};

constexpr const char* kPrune = "[[step]]\npass = \"prune\"\nsparsity = 0.5\nonly = [\"wide\", \"narrow\"]\n";
constexpr const char* kShare = "[[step]]\npass = \"share\"\nbits = 4\ncodebook = \"tensor\"\nonly = [\"wide\"]\n";
// All of the diagonal but one number goes: two classes are never answered.
constexpr const char* kTooMuch =
    "[[step]]\npass = \"prune\"\nsparsity = 0.9\ncriterion = \"magnitude\"\nrepair = \"none\"\nonly = [\"same\"]\n";

int64_t zeros_of(const ir::Tensor& tensor) {
  const std::vector<float> numbers = tensor.to_floats();
  return std::count(numbers.begin(), numbers.end(), 0.0F);
}

TEST_F(ComposeGate, EveryStepIsJudgedAndAllOfThemStay) {
  const auto report = run(std::string("[[step]]\npass = \"simplify\"\n") + kPrune + kShare);
  ASSERT_TRUE(report.ok()) << report.error().text();
  EXPECT_EQ(report->exit_code, 0) << report->verdict;
  ASSERT_EQ(report->steps.size(), 3U);
  for (const StepReport& step : report->steps) {
    EXPECT_TRUE(step.kept) << step.pass << ": " << step.reason;
    EXPECT_TRUE(step.metric.has_value()) << step.pass;
  }
  EXPECT_LT(report->steps[1].size.nonzero, report->steps[0].size.nonzero);
  const ir::Tensor wide = weight_of("wide");
  EXPECT_NE(wide.as_palette(), nullptr);
  EXPECT_GT(zeros_of(wide), 7) << "over 5 % of 144";
}

TEST_F(ComposeGate, AStepThatIsRefusedIsUndoneAndNamedAndTheNextGoesOn) {
  const auto report = run(std::string(kPrune) + kTooMuch + kShare);
  ASSERT_TRUE(report.ok()) << report.error().text();
  EXPECT_EQ(report->exit_code, 1);
  ASSERT_EQ(report->steps.size(), 3U);
  EXPECT_TRUE(report->steps[0].kept) << report->steps[0].reason;
  EXPECT_EQ(report->steps[1].status, StepStatus::rolled_back);
  EXPECT_FALSE(report->steps[1].kept);
  EXPECT_NE(report->steps[1].reason.find("the budget is 5.00 points"), std::string::npos) << report->steps[1].reason;
  EXPECT_TRUE(report->steps[2].kept) << report->steps[2].reason;
  EXPECT_NE(report->verdict.find("prune"), std::string::npos) << report->verdict;
}

}  // namespace
}  // namespace edgesmith::refine
