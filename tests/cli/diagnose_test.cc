// SPDX-License-Identifier: Apache-2.0
// `edgesmith diagnose` as a user runs it.
#include <filesystem>

#include "cli/tool_test.h"

namespace edgesmith::testing {
namespace {

// One channel of the first layer is 1000 times the others; the second undoes that.
constexpr const char* kPlanted = R"(graph @planted(%x: f32[N,3]) -> (logits: f32[N,3]) {
  %spread = constant {1, 0, 0, 0, 1, 0, 0, 0, 1000} : f32[3,3]
  %back = constant {1, 0, 0, 0, 1, 0, 0, 0, 0.001} : f32[3,3]
  %h = mat_mul %x, %spread : f32[N,3]
  %y = mat_mul %h, %back : f32[N,3]
  return %y
}
)";

class CliDiagnose : public ToolTest {
 protected:
  void SetUp() override {
    write_model(kPlanted, folder_ / "m.onnx");
    write_data(folder_ / "calib.npz", 80, 1);
    write_data(folder_ / "eval.npz", 80, 2);
    const ToolResult result = run({"quantize", "m.onnx", "-o", "q.onnx", "--per-tensor", "--repair", "none",
                                   "--calibrator", "minmax", "--calib", "calib.npz", "-q"});
    ASSERT_EQ(result.exit_code, 0) << result.err;
  }
};

TEST_F(CliDiagnose, RanksNodesAndSaysWhatHelps) {
  const Json result = json_of({"diagnose", "m.onnx", "q.onnx", "--data", "calib.npz", "--report", "r"});
  EXPECT_EQ(result["schema"], "edgesmith.diagnose/1");
  EXPECT_EQ(result["other"]["made_by"], "quantize");
  ASSERT_FALSE(result["nodes"].empty());
  EXPECT_EQ(result["nodes"][0]["rank"], 1);
  EXPECT_EQ(result["nodes"][0]["selector"], "h");
  EXPECT_EQ(result["nodes"][0]["causes"][0]["kind"], "channel_ranges");
  EXPECT_EQ(result["nodes"][0]["causes"][0]["channels"], Json::array({2}));
  ASSERT_FALSE(result["advice"].empty());
  EXPECT_NE(read_file(folder_ / "r/report.html")->find("<svg"), std::string::npos);

  EXPECT_EQ(result["advice_calibrates_on_data"], true);
  const std::string caution = "(--calib is what --data named here;";
  const std::vector<std::string> shown = {"diagnose", "m.onnx", "q.onnx", "--data", "calib.npz"};
  EXPECT_NE(run(shown).out.find(caution), std::string::npos);

  // What is printed can be pasted.
  std::string command = result["advice"][0]["command"];
  ASSERT_EQ(command.rfind("edgesmith quantize m.onnx -o m-better.onnx --calib calib.npz", 0), 0u) << command;
  std::vector<std::string> args = {"-q"};
  std::string word;
  for (const char c : command.substr(std::string("edgesmith ").size()) + " ") {
    if (c == '\'') continue;
    if (c == ' ') {
      args.insert(args.end() - 1, word);
      word.clear();
    } else {
      word += c;
    }
  }
  const ToolResult pasted = run(args);
  EXPECT_EQ(pasted.exit_code, 0) << pasted.err;
  const Json better = json_of({"diagnose", "m.onnx", "m-better.onnx", "--data", "calib.npz"});
  EXPECT_GT(better["sqnr_db"].get<double>(), result["sqnr_db"].get<double>() + 1);
}

// The float model's file does not remember how the samples go in: the command says it.
TEST_F(CliDiagnose, SaysThePreprocessingThatTheOtherModelRemembers) {
  const std::vector<std::string> words = {"--scale", "0.5", "--mean", "0.25,0,0", "--std", "2"};
  std::vector<std::string> quantize = {"quantize", "m.onnx",       "-o",     "r.onnx",  "--per-tensor", "--repair",
                                       "none",     "--calibrator", "minmax", "--calib", "calib.npz",    "-q"};
  quantize.insert(quantize.end(), words.begin(), words.end());
  ASSERT_EQ(run(quantize).exit_code, 0);
  const std::string wanted =
      "edgesmith quantize m.onnx -o m-better.onnx --calib calib.npz --scale 0.5 --mean 0.25,0,0 "
      "--std 2";
  const Json remembered = json_of({"diagnose", "m.onnx", "r.onnx", "--data", "calib.npz"});
  const std::string command = remembered["advice"][0]["command"];
  EXPECT_TRUE(command.starts_with(wanted)) << command;
  const std::string asked = json_of({"diagnose", "m.onnx", "r.onnx", "--data", "calib.npz", "--scale", "1/2", "--color",
                                     "never"})["advice"][0]["command"];
  EXPECT_NE(asked.find(" --scale 1/2"), std::string::npos) << asked;
  EXPECT_EQ(asked.find(" --mean"), std::string::npos) << "what is typed goes before all that is remembered";
}

TEST_F(CliDiagnose, LeavesNodesFloatForABudget) {
  const Json result = json_of({"diagnose", "m.onnx", "q.onnx", "--auto-skip", "--max-drop", "3", "--calib", "calib.npz",
                               "--eval", "eval.npz", "-o", "out.onnx"});
  const Json& skip = result["auto_skip"];
  EXPECT_EQ(skip["met"], true);
  EXPECT_GT(skip["calib"]["compressed_drop"].get<double>(), 3);
  EXPECT_LE(skip["nodes"].size(), 2u);
  EXPECT_LE(skip["eval"]["drop"].get<double>(), 3);
  EXPECT_EQ(skip["output"]["path"], "out.onnx");
  const Json compared = json_of({"compare", "m.onnx", "out.onnx", "--data", "eval.npz"});
  EXPECT_EQ(compared["drop"], skip["eval"]["drop"]) << "what was written is what was measured";
}

TEST_F(CliDiagnose, BeyondTheBudgetTheBestIsWrittenWithExitCodeOne) {
  const ToolResult result = run(
      {"diagnose", "m.onnx", "q.onnx", "--auto-skip", "--max-drop", "-50", "--data", "calib.npz", "-o", "out.onnx"});
  EXPECT_EQ(result.exit_code, 1) << result.err;
  EXPECT_NE(result.out.find("beyond the budget"), std::string::npos) << result.out;
  EXPECT_TRUE(std::filesystem::exists(folder_ / "out.onnx"));
}

TEST_F(CliDiagnose, WrongUsageIsRefused) {
  expect_error({"diagnose", "m.onnx", "q.onnx"}, 2, "diagnose: no data given; add --data D");
  expect_error({"diagnose", "m.onnx", "q.onnx", "--data", "calib.npz", "--auto-skip"}, 2,
               "diagnose: --auto-skip needs a budget; add --max-drop X");
  expect_error({"diagnose", "m.onnx", "q.onnx", "--data", "calib.npz", "--max-drop", "1"}, 2,
               "diagnose: --max-drop, --metric, --calib, --eval, --time-limit and --output are for --auto-skip; add "
               "--auto-skip, or leave them out");
  expect_error(
      {"diagnose", "m.onnx", "q.onnx", "--data", "calib.npz", "--auto-skip", "--max-drop", "1", "-o", "q.onnx"}, 2,
      "q.onnx: the output is the input; name another file");
  expect_error(
      {"diagnose", "m.onnx", "q.onnx", "--data", "calib.npz", "--auto-skip", "--max-drop", "1", "--time-limit", "soon"},
      2, "--time-limit: 'soon' is no time; write 90s, 10m or 2h");
  EXPECT_EQ(run({"diagnose", "m.onnx", "missing.onnx", "--data", "calib.npz"}).exit_code, 5);
}

TEST_F(CliDiagnose, NodesThatLostChannelsHaveNoErrorOfTheirOwn) {
  write_model(R"(graph @less(%x: f32[N,3]) -> (logits: f32[N,3]) {
  %spread = constant {1, 0, 0, 1, 0, 0} : f32[3,2]
  %back = constant {1, 0, 0, 0, 1, 0} : f32[2,3]
  %h = mat_mul %x, %spread : f32[N,2]
  %y = mat_mul %h, %back : f32[N,3]
  return %y
}
)",
              folder_ / "less.onnx");
  const Json result = json_of({"diagnose", "m.onnx", "less.onnx", "--data", "calib.npz"});
  ASSERT_EQ(result["nodes"].size(), 2u);
  EXPECT_TRUE(result["nodes"][0]["alone_db"].is_null());
  EXPECT_TRUE(result["advice"].empty());
}

TEST_F(CliDiagnose, LooksAtDynamicAndHalfModels) {
  ASSERT_EQ(run({"quantize", "m.onnx", "-o", "d.onnx", "--dynamic", "-q"}).exit_code, 0);
  const Json dynamic = json_of({"diagnose", "m.onnx", "d.onnx", "--data", "calib.npz"});
  EXPECT_EQ(dynamic["nodes"].size(), 2u);
  EXPECT_EQ(dynamic["nodes"][0]["causes"][0]["kind"], "other_operators");
  ASSERT_EQ(run({"convert", "m.onnx", "-o", "h.onnx", "--to", "fp16", "-q"}).exit_code, 0);
  const Json half = json_of({"diagnose", "m.onnx", "h.onnx", "--data", "calib.npz"});
  EXPECT_EQ(half["other"]["made_by"], "convert");
  EXPECT_GT(half["sqnr_db"].get<double>(), 60);
}

}  // namespace
}  // namespace edgesmith::testing
