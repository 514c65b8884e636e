// SPDX-License-Identifier: Apache-2.0
// The gate as a script sees it: statuses, exit codes and what is written, budgets of memory and time, metrics of one's
// own, and preprocessing that moves into the model.
#include <gtest/gtest.h>

#include <filesystem>

#include "cli/tool_test.h"
#include "edgesmith/base/text.h"
#include "edgesmith/onnx/import.h"

namespace edgesmith::testing {
namespace {

namespace fs = std::filesystem;

class GateTool : public ToolTest {
 protected:
  void SetUp() override {
    write_model(kTinyModel, folder_ / "m.onnx");
    write_model(kSaturatingModel, folder_ / "pairs.onnx");
    write_data(folder_ / "eval.npz", 60, 1, 6);
    write_data(folder_ / "calib.npz", 30, 2);
  }
  bool wrote(const std::string& name = "out.onnx") const { return fs::exists(folder_ / name); }
  /// The report of a run with exit code `code`.
  Json report_of(std::vector<std::string> args, int code) {
    fs::remove(folder_ / "out.onnx");
    args.insert(args.end(), {"-o", "out.onnx", "--json", "-q"});
    const ToolResult result = run(args);
    EXPECT_EQ(result.exit_code, code) << result.err << result.out;
    return Json::parse(result.out, nullptr, false);
  }
};

const std::vector<std::string> kSimplifyAll = {"simplify", "m.onnx", "--eval", "eval.npz"};

std::vector<std::string> with(std::vector<std::string> args, const std::vector<std::string>& more) {
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

TEST_F(GateTool, EndsWithZeroWhenAStepIsAccepted) {
  const Json report = report_of(with(kSimplifyAll, {"--max-drop", "0.5"}), 0);
  EXPECT_EQ(report["steps"][0]["status"], "accepted");
  EXPECT_EQ(report["exit_code"], 0);
  EXPECT_TRUE(wrote());
}

TEST_F(GateTool, EndsWithOneWhenAStepIsRolledBackAndWritesNothingWithoutAnAcceptedOne) {
  const Json report = report_of(with(kSimplifyAll, {"--max-bytes", "1"}), 1);
  EXPECT_EQ(report["steps"][0]["status"], "rolled_back");
  EXPECT_EQ(report["exit_code"], 1);
  EXPECT_TRUE(report["output"].is_null());
  EXPECT_FALSE(wrote());
  EXPECT_EQ(report_of(with(kSimplifyAll, {"--max-bytes", "1", "--allow-rollback"}), 0)["exit_code"], 0);
}

TEST_F(GateTool, WritesTheBestModelSoFarWhenALaterStepIsRolledBack) {
  ASSERT_TRUE(write_file(folder_ / "r.toml", R"(model = "m.onnx"
output = "out.onnx"
[data]
calib = "calib.npz"
eval = "eval.npz"
[[step]]
pass = "simplify"
[[step]]
pass = "quantize"
max_bytes = 1
)")
                  .ok());
  const ToolResult result = run({"run", "r.toml", "--json", "-q"});
  EXPECT_EQ(result.exit_code, 1);
  const Json report = Json::parse(result.out, nullptr, false);
  EXPECT_EQ(report["steps"][0]["status"], "accepted");
  EXPECT_EQ(report["steps"][1]["status"], "rolled_back");
  EXPECT_TRUE(wrote());
  EXPECT_EQ(report["output"]["bytes"], report["steps"][0]["size"]["bytes"]);
  EXPECT_EQ(run({"run", "r.toml", "-q", "--force", "--allow-rollback"}).exit_code, 0);
  const std::string earlier = run({"run", "r.toml", "-q", "--force", "--on-fail", "fail"}).err;
  EXPECT_NE(earlier.find("out.onnx: is not of this run, which writes no model"), std::string::npos) << earlier;
  EXPECT_TRUE(wrote());
  fs::remove(folder_ / "out.onnx");
  EXPECT_EQ(run({"run", "r.toml", "-q", "--on-fail", "fail"}).exit_code, 1);
  EXPECT_FALSE(wrote()) << "on_fail = fail writes nothing, though a step was accepted";
  EXPECT_EQ(run({"run", "r.toml", "-q", "--on-fail", "fail", "--allow-rollback"}).exit_code, 1);
}

TEST_F(GateTool, EndsWithZeroAndAWarningWhenThereIsNothingToDo) {
  ASSERT_TRUE(run(with(kSimplifyAll, {"-o", "once.onnx"})).exit_code == 0);
  const Json report = report_of({"simplify", "once.onnx", "--eval", "eval.npz"}, 0);
  EXPECT_EQ(report["steps"][0]["status"], "unchanged");
  ASSERT_EQ(report["warnings"].size(), 1u);
  EXPECT_EQ(report["warnings"][0], "simplify changed nothing: found nothing to do");
}

TEST_F(GateTool, SaysHowManySamplesWouldSettleAnUndecidedStep) {
  // Full-range weights on a CPU without exact sums: answers differ, and 60 samples leave the loss open.
  const std::vector<std::string> quantize = {"quantize", "m.onnx",   "--calib",    "calib.npz",
                                             "--eval",   "eval.npz", "--max-drop", "3"};
  const Json report = report_of(quantize, 0);
  ASSERT_EQ(report["steps"][0]["status"], "undecided") << report["verdict"];
  EXPECT_TRUE(wrote());
  bool said = false;
  for (const Json& warning : report["warnings"]) {
    const std::string text = warning.get<std::string>();
    said = said || (text.find("quantize is undecided: ") == 0 && text.find(" would settle it") != std::string::npos);
  }
  EXPECT_TRUE(said) << report["warnings"];
  const Json strict = report_of(with(quantize, {"--undecided", "fail"}), 1);
  EXPECT_EQ(strict["steps"][0]["status"], "undecided");
  EXPECT_FALSE(strict["steps"][0]["kept"].get<bool>());
  EXPECT_FALSE(wrote());
  EXPECT_EQ(report_of(with(quantize, {"--undecided", "fail", "--allow-rollback"}), 1)["exit_code"], 1)
      << "what is allowed is a rollback";
}

TEST_F(GateTool, HoldsMemoryAndTimeOnTheTarget) {
  const std::vector<std::string> board = with(kSimplifyAll, {"--target", "cmsis-nn-l4r5"});
  const Json kept = report_of(with(board, {"--max-ram", "64KiB", "--max-latency-us", "1000", "--min-speedup", "1"}), 0);
  EXPECT_EQ(kept["output"]["needs"]["times"], "cost model");
  EXPECT_GT(kept["output"]["needs"]["ram_bytes"].get<int64_t>(), 0);
  EXPECT_EQ(kept["recipe"]["gate"]["max_ram"], 65536);
  const Json checked =
      Json::parse(run({"check", "out.onnx", "--target", "cmsis-nn-l4r5", "--json"}).out, nullptr, false);
  EXPECT_EQ(checked["memory"]["ram_bytes"], kept["output"]["needs"]["ram_bytes"]) << "as check counts it";
  EXPECT_EQ(report_of(with(board, {"--max-ram", "8"}), 1)["steps"][0]["status"], "rolled_back");
  EXPECT_EQ(report_of(with(board, {"--min-speedup", "50"}), 1)["steps"][0]["status"], "rolled_back");
  const Json here = report_of(with(kSimplifyAll, {"--target", "host", "--max-latency-us", "1e6"}), 0);
  EXPECT_EQ(here["output"]["needs"]["times"], "measured");
  EXPECT_EQ(run(with(kSimplifyAll, {"--max-ram", "lots", "-o", "o.onnx"})).exit_code, 2);
  EXPECT_EQ(run(with(kSimplifyAll, {"--min-speedup", "0", "-o", "o.onnx"})).exit_code, 2);
}

TEST_F(GateTool, RefusesTimesOfATargetWithoutAClock) {
  const std::string profile = R"(name = "board"
summary = "a board whose clock is not known"
runtime = "none"
status = "rules"
checked = "nothing"
[device]
name = "board"
isa = "any"
[device.macs_per_cycle]
f32 = 1
i8 = 1
[quantization]
arithmetic = "exact-i32"
activations = "u8"
weights = "i8"
per_channel = true
pair_rule = "none"
integer_ops = ["Conv"]
)";
  ASSERT_TRUE(write_file(folder_ / "board.toml", profile).ok());
  expect_error(with(kSimplifyAll, {"--target", "board.toml", "--max-latency-us", "5", "-o", "o.onnx"}), 2,
               "the profile of target 'board' has no clock, so nothing says how long a model takes; use --target host "
               "(measured here), or a target with a clock ('edgesmith targets')");
}

TEST_F(GateTool, AsksAProgramForTheMetric) {
  ASSERT_TRUE(write_file(folder_ / "mine.py", R"(import json, sys
import zipfile
outputs, labels = sys.argv[1:3]
names = zipfile.ZipFile(outputs).namelist() + zipfile.ZipFile(labels).namelist()
print(json.dumps({"value": 0.5, "per_sample": [0, 1] * 30, "names": names}))
)")
                  .ok());
  const Json report = report_of(
      with(kSimplifyAll, {"--metric", "mine", "--metric-command", "python3 mine.py", "--max-drop", "0.1"}), 0);
  EXPECT_EQ(report["baseline"]["metric"], "mine");
  EXPECT_EQ(report["baseline"]["value"], 0.5);
  EXPECT_EQ(report["steps"][0]["metric"]["drop"], 0);
  EXPECT_EQ(report["recipe"]["gate"]["metric_better"], "higher");
  const Json measured =
      json_of({"eval", "m.onnx", "--data", "eval.npz", "--metric-command", "python3 mine.py", "--metric", "top1"});
  EXPECT_EQ(measured["metric"]["name"], "command");
  EXPECT_EQ(measured["metrics"][1]["name"], "top1");
  const Json named =
      json_of({"eval", "m.onnx", "--data", "eval.npz", "--metric-command", "python3 mine.py", "--metric", "mine"});
  EXPECT_EQ(named["metric"]["name"], "mine");
  EXPECT_EQ(named["metrics"].size(), 1u);
  expect_error({"eval", "m.onnx", "--data", "eval.npz", "-q", "--metric-command", "python3 gone.py; true"}, 3,
               "m.onnx: the metric program 'python3 gone.py; true' printed nothing; it must print one JSON object "
               "{\"value\": ..., \"per_sample\": [...]} on stdout");
  // In percent: the interval would be of the samples, the value another scale.
  const std::string percent =
      "echo '{\"value\": 50, \"per_sample\": [" + join(std::vector(60, std::string("0.5")), ",") + "]}' #";
  const ToolResult of_percent = run({"eval", "m.onnx", "--data", "eval.npz", "-q", "--metric-command", percent});
  EXPECT_EQ(of_percent.exit_code, 0) << of_percent.err;
  EXPECT_NE(
      of_percent.err.find("gave 50 as \"value\", but the mean of \"per_sample\" is 0.5: the value counts, without"),
      std::string::npos)
      << of_percent.err;
  EXPECT_EQ(run(with(kSimplifyAll, {"-o", "o.onnx", "--metric-command", "exit 3;"})).exit_code, 5);
  EXPECT_EQ(
      run(with(kSimplifyAll, {"-o", "o.onnx", "--metric-command", "sleep 30 #", "--metric-timeout", "0.1"})).exit_code,
      5);
  EXPECT_EQ(run(with(kSimplifyAll, {"-o", "o.onnx", "--metric-better", "lower"})).exit_code, 2);
  expect_error({"eval", "m.onnx", "--data", "eval.npz", "--metric-command", " "}, 2,
               "the metric command is empty; name the program");
  EXPECT_EQ(run(with(kSimplifyAll, {"-o", "o.onnx", "--metric", "top1", "--metric-command", "true"})).exit_code, 2);
  EXPECT_FALSE(wrote("o.onnx"));
}

/// A picture model and bytes with labels; the answer is the brightest channel after preprocessing.
constexpr const char* kPictures = R"(graph @pictures(%image: f32[N,3,4,4]) -> (logits: f32[N,3]) {
  %w = constant {1, 0, 0, 0, 1, 0, 0, 0, 1} : f32[3,3,1,1]
  %c = conv %image, %w {pads=[1,1,1,1]} : f32[N,3,6,6] @"stem"
  %g = global_average_pool %c : f32[N,3,1,1]
  %y = flatten %g : f32[N,3]
  return %y
}
)";

class FoldTool : public GateTool {
 protected:
  void SetUp() override {
    GateTool::SetUp();
    write_model(kPictures, folder_ / "p.onnx");
    Random random(5);
    std::vector<uint8_t> x(40 * 48);
    std::vector<int64_t> y;
    for (uint8_t& byte : x) byte = static_cast<uint8_t>(random.below(256));
    for (int64_t i = 0; i < 40; ++i) y.push_back(i % 3);
    const std::vector<data::NamedArray> arrays = {{"x", ir::Tensor::of<uint8_t>({40, 3, 4, 4}, x)},
                                                  {"y", ir::Tensor::of<int64_t>({40}, y)}};
    ASSERT_TRUE(data::write_npz(folder_ / "pictures.npz", arrays).ok());
  }
  const std::vector<std::string> quick_ = {"--scale", "1/255", "--mean", "0.5,0.4,0.3", "--std", "0.2,0.3,0.1"};
};

TEST_F(FoldTool, MakesAModelThatTakesBytes) {
  const Json report = report_of(
      with({"fold-preprocess", "p.onnx", "--eval", "pictures.npz", "--input", "uint8", "--max-drop", "0.01"}, quick_),
      0);
  EXPECT_EQ(report["steps"][0]["status"], "accepted");
  EXPECT_EQ(report["steps"][0]["metric"]["agreement"], 100);
  EXPECT_GT(report["steps"][0]["metric"]["sqnr_db"].get<double>(), 100) << "against the model before, fed as declared";
  const Json compared = json_of({"compare", "p.onnx", "out.onnx", "--data", "pictures.npz"});
  EXPECT_EQ(compared["drop"], 0);
  EXPECT_GT(compared["sqnr_db"].get<double>(), 100);
  EXPECT_GT(json_of({"compare", "out.onnx", "p.onnx", "--data", "pictures.npz"})["sqnr_db"].get<double>(), 100);
  EXPECT_EQ(json_of({"eval", "out.onnx", "--data", "pictures.npz"})["metric"]["value"], report["baseline"]["value"])
      << "later commands feed it bytes";
  EXPECT_EQ(run(with({"eval", "out.onnx", "--data", "pictures.npz"}, quick_)).exit_code, 2)
      << "scale does not apply to bytes";
}

TEST_F(FoldTool, NeedsNoData) {
  report_of(with({"fold-preprocess", "p.onnx"}, quick_), 0);
  const auto graph = onnx::import_file(folder_ / "out.onnx");
  ASSERT_TRUE(graph.ok()) << graph.error().text();
  EXPECT_EQ(*graph->find_metadata("edgesmith.preprocess"), "{}");
  const ToolResult twice = run(with({"eval", "out.onnx", "--data", "pictures.npz"}, quick_));
  EXPECT_EQ(twice.exit_code, 0);
  EXPECT_NE(twice.err.find("are declared on top of that; leave them out"), std::string::npos) << twice.err;
}

TEST_F(FoldTool, GoesBeforeOtherSteps) {
  ASSERT_TRUE(write_file(folder_ / "r.toml", R"(model = "p.onnx"
output = "out.onnx"
[preprocess]
scale = "1/255"
mean = [0.5, 0.4, 0.3]
[data]
calib = { path = "pictures.npz", limit = 20 }
eval = "pictures.npz"
test = "pictures.npz"
[[step]]
pass = "fold-preprocess"
input = "uint8"
[[step]]
pass = "simplify"
[[step]]
pass = "quantize"
)")
                  .ok());
  // Test data that are calibrated on are refused; others go the same way.
  EXPECT_EQ(run({"run", "r.toml", "-q"}).exit_code, 3);
  const std::string recipe = *read_file(folder_ / "r.toml");
  const std::string without = recipe.substr(0, recipe.find("test =")) + recipe.substr(recipe.find("[[step]]"));
  ASSERT_TRUE(write_file(folder_ / "s.toml", without).ok());
  const ToolResult ran = run({"run", "s.toml", "--json", "-q"});
  EXPECT_EQ(ran.exit_code, 0) << ran.err << ran.out;
  const Json report = Json::parse(ran.out, nullptr, false);
  ASSERT_EQ(report["steps"].size(), 3u);
  EXPECT_EQ(report["steps"][0]["status"], "accepted");
  EXPECT_EQ(report["steps"][2]["pass"], "quantize");
  EXPECT_GT(report["steps"][2]["metric"]["sqnr_db"].get<double>(), 15);
}

TEST_F(FoldTool, AnEarlierRunStandsForIt) {
  ASSERT_TRUE(write_file(folder_ / "r.toml", R"(model = "p.onnx"
output = "o.onnx"
[preprocess]
scale = "1/255"
mean = [0.5, 0.4, 0.3]
[data]
calib = { path = "pictures.npz", limit = 20 }
eval = "pictures.npz"
[[step]]
pass = "fold-preprocess"
input = "uint8"
[[step]]
pass = "quantize"
)")
                  .ok());
  environment_["EDGESMITH_CACHE"] = "off";
  const Json whole = json_of({"run", "r.toml", "-o", "first", "--keep-steps"});
  const Json rest = json_of({"run", "r.toml", "-o", "again", "--from", "quantize", "--from-results", "first"});
  EXPECT_EQ(rest["steps"][0]["reason"], "taken from first/steps/1-fold-preprocess.onnx");
  EXPECT_EQ(rest["steps"][0]["metric"], whole["steps"][0]["metric"]) << "fed with what is left of the preprocessing";
  EXPECT_EQ(rest["steps"][1]["metric"], whole["steps"][1]["metric"]);
  const Json compared = json_of({"compare", "first/o.onnx", "again/o.onnx", "--data", "pictures.npz"});
  EXPECT_EQ(compared["max_abs_error"], 0);
}

TEST_F(FoldTool, SaysThatNothingIsDeclared) {
  const Json report = report_of({"fold-preprocess", "p.onnx"}, 0);
  EXPECT_EQ(report["steps"][0]["status"], "unchanged");
  EXPECT_EQ(
      report["warnings"][0].get<std::string>().find("fold-preprocess changed nothing: no preprocessing is declared"),
      0u);
}

TEST_F(GateTool, ReadsTablesOfNumbers) {
  std::string table = "id,a,b,c,kind\n";
  Random random(9);
  for (int i = 0; i < 30; ++i) {
    double row[3];
    int best = 0;
    for (int j = 0; j < 3; ++j) {
      row[j] = random.uniform();
      if (row[j] > row[best]) best = j;
    }
    table += std::to_string(i);
    for (const double value : row) table += "," + std::to_string(value);
    table += "," + std::to_string(best) + "\n";
  }
  ASSERT_TRUE(write_file(folder_ / "t.csv", table).ok());
  EXPECT_EQ(json_of({"eval", "m.onnx", "--data", "t.csv", "--features", "a,b,c", "--label", "kind"})["metric"]["value"],
            100);
  ASSERT_TRUE(
      write_file(folder_ / "t.toml", "path = \"t.csv\"\nfeatures = [\"a\", \"b\", \"c\"]\nlabel = \"kind\"\n").ok());
  EXPECT_EQ(json_of({"eval", "m.onnx", "--data", "t.toml", "--metric", "f1"})["metric"]["value"], 1);
  expect_error({"eval", "m.onnx", "--data", "t.csv", "--features", "a,b,d", "-q"}, 3,
               "t.csv:1: no column 'd' in the header, but id, a, b, c, kind; did you mean 'id'?");
}

}  // namespace
}  // namespace edgesmith::testing
