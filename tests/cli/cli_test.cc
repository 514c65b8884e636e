// SPDX-License-Identifier: Apache-2.0
// The contract of the command line: exit codes, error lines, JSON, help.
#include <signal.h>
#include <unistd.h>
#include <map>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "cli/tool_test.h"
#include "edgesmith/base/sha256.h"

namespace edgesmith::testing {
namespace {

namespace fs = std::filesystem;

class Cli : public ToolTest {
 protected:
  void SetUp() override {
    write_model(kTinyModel, folder_ / "m.onnx");
    write_data(folder_ / "d.npz", 60, 1, 6);
    write_data(folder_ / "calib.npz", 40, 2);
  }
};

TEST_F(Cli, EvaluatesAModel) {
  const ToolResult result = run({"eval", "m.onnx", "--data", "d.npz", "--json", "-q"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.err, "");
  const Json json = Json::parse(result.out);
  EXPECT_EQ(json["schema"], "edgesmith.eval/1");
  EXPECT_EQ(json["metric"]["name"], "top1");
  EXPECT_NEAR(json["metric"]["value"].get<double>(), 90.0, 1e-9);
  EXPECT_EQ(json["samples"], 60);
  EXPECT_TRUE(json.contains("seconds"));
  EXPECT_TRUE(json.contains("samples_per_second"));
}

TEST_F(Cli, EvaluatesWithTheArithmeticOfTargets) {
  ASSERT_EQ(run({"quantize", "m.onnx", "-o", "q.onnx", "--calib", "calib.npz", "-q"}).exit_code, 0);
  const ToolResult result =
      run({"eval", "q.onnx", "--data", "d.npz", "--targets", "ort-x86-vnni,cmsis-nn-l4r5", "--json", "-q"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Json json = Json::parse(result.out);
  ASSERT_EQ(json["targets"].size(), 2u);
  EXPECT_EQ(json["targets"][0]["arithmetic"], "exact-i32");
  EXPECT_EQ(json["targets"][1]["name"], "cmsis-nn-l4r5");
  EXPECT_EQ(json["targets"][1]["arithmetic"], "tflite");
  EXPECT_EQ(json["metric"], json["targets"][0]["metric"]);
  EXPECT_EQ(Json::parse(run({"eval", "q.onnx", "--data", "d.npz", "--json", "-q"}).out)["targets"], Json::array());
}

TEST_F(Cli, RunsUnderEveryArithmeticAndRefusesUnknownOnes) {
  ASSERT_EQ(run({"quantize", "m.onnx", "-o", "q.onnx", "--calib", "calib.npz", "-q"}).exit_code, 0);
  for (const char* arithmetic : {"float", "fake-quant", "exact-i32", "x86-u8s8-saturating", "tflite", "ort-x86"}) {
    const ToolResult result = run({"eval", "q.onnx", "--data", "d.npz", "--arithmetic", arithmetic, "--json", "-q"});
    ASSERT_EQ(result.exit_code, 0) << arithmetic << ": " << result.err;
    EXPECT_EQ(Json::parse(result.out)["arithmetic"], arithmetic);
    EXPECT_NEAR(Json::parse(result.out)["metric"]["value"].get<double>(), 90.0, 5.0) << arithmetic;
  }
  expect_error({"eval", "q.onnx", "--data", "d.npz", "--arithmetic", "exact", "-q"}, 2,
               "--arithmetic: unknown arithmetic 'exact'; known are float, fake-quant, exact-i32, x86-u8s8-saturating, "
               "tflite, ort-x86");
  expect_error({"eval", "q.onnx", "--data", "d.npz", "--targets", "ort-x68", "-q"}, 2,
               "unknown target 'ort-x68'; did you mean 'ort-x86'?");
}

TEST_F(Cli, TakesAClassBalancedPartOfTheData) {
  const ToolResult result = run({"eval", "m.onnx", "--data", "d.npz", "--data-limit", "12", "--json", "-q"});
  EXPECT_EQ(Json::parse(result.out)["samples"], 12);
}

TEST_F(Cli, SimplifiesAndComparesWithTheOriginal) {
  const ToolResult simplified =
      run({"simplify", "m.onnx", "-o", "s.onnx", "--eval", "d.npz", "--max-drop", "0.5", "--json", "--report", "rep"});
  ASSERT_EQ(simplified.exit_code, 0) << simplified.err;
  const Json json = Json::parse(simplified.out);
  EXPECT_EQ(json["command"], "simplify");
  EXPECT_EQ(json["steps"][0]["status"], "accepted");
  EXPECT_EQ(json["output"]["bytes"], fs::file_size(folder_ / "s.onnx"));
  EXPECT_TRUE(fs::exists(folder_ / "rep/report.html"));
  EXPECT_EQ(Json::parse(*read_file(folder_ / "rep/report.json")), json);

  const ToolResult compared = run({"compare", "m.onnx", "s.onnx", "--data", "d.npz", "--json", "-q"});
  ASSERT_EQ(compared.exit_code, 0) << compared.err;
  const Json difference = Json::parse(compared.out);
  EXPECT_EQ(difference["schema"], "edgesmith.compare/1");
  for (const char* key : {"a", "b", "drop", "ci95", "agreement", "cosine", "sqnr_db", "max_abs_error"}) {
    EXPECT_TRUE(difference.contains(key)) << key;
  }
  EXPECT_EQ(difference["drop"], 0.0);
  EXPECT_EQ(difference["agreement"], 100.0);
  EXPECT_EQ(difference["max_abs_error"], 0.0);
}

TEST_F(Cli, WritesEveryAnswerByName) {
  const ToolResult result = run({"infer", "m.onnx", "--data", "d.npz", "-o", "a.npz"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const auto arrays = data::read_npz(folder_ / "a.npz");
  ASSERT_TRUE(arrays.ok());
  ASSERT_EQ(arrays->size(), 1u);
  EXPECT_EQ((*arrays)[0].name, "logits");
  EXPECT_EQ((*arrays)[0].tensor.dims(), (ir::Dims{60, 3}));
  const auto data = data::read_npz(folder_ / "d.npz");
  EXPECT_EQ((*arrays)[0].tensor.to_floats(), (*data)[0].tensor.to_floats()) << "relu and unit weights change nothing";
  ASSERT_EQ(run({"infer", "m.onnx", "--data", "d.npz", "-o", "b.npz", "--reference", "--threads", "1"}).exit_code, 0);
  EXPECT_EQ(*read_file(folder_ / "a.npz"), *read_file(folder_ / "b.npz"));
}

TEST_F(Cli, InspectsAModel) {
  const ToolResult result = run({"inspect", "m.onnx", "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Json json = Json::parse(result.out);
  EXPECT_EQ(json["model"]["params"], 9);
  EXPECT_EQ(json["model"]["macs"], 9);
  EXPECT_EQ(json["inputs"][0]["name"], "x");
  EXPECT_EQ(json["model"]["peak_activation_bytes"], 60) << "x, its relu, and the weight that is computed";
  EXPECT_EQ(json["model"]["activation_lower_bound_bytes"], 60);
  EXPECT_EQ(json["quantized"]["values"], 0);
  EXPECT_NE(run({"inspect", "m.onnx"}).out.find("multiply-adds"), std::string::npos);
  ASSERT_EQ(json["nodes"].size(), 4u);
  EXPECT_EQ(json["nodes"][3]["op"], "MatMul");
  EXPECT_EQ(json["nodes"][3]["output"], "logits");
  EXPECT_EQ(json["nodes"][3]["macs"], 9);
  const std::string listed = run({"inspect", "m.onnx", "-v", "--threads", "1"}).out;
  EXPECT_NE(listed.find("MatMul    logits  f32[N,3]"), std::string::npos) << listed;
}

TEST_F(Cli, InspectHashesSmallFilesAndLargeOnesWhenAsked) {
  const std::string hash = sha256_hex(std::as_bytes(std::span<const char>(*read_file(folder_ / "m.onnx"))));
  EXPECT_EQ(Json::parse(run({"inspect", "m.onnx", "--json"}).out)["model"]["sha256"], hash);
  // Weights of 17 MiB.
  write_model(
      "graph @g(%x: f32[N,2048]) -> (y) {\n  %w = constant random(seed=1) : f32[2048,2176]\n"
      "  %y = mat_mul %x, %w\n  return %y\n}\n",
      folder_ / "large.onnx");
  const std::vector<std::string> command = {"inspect", "large.onnx", "--json", "--no-forecast"};
  EXPECT_TRUE(Json::parse(run(command).out)["model"]["sha256"].is_null());
  std::vector<std::string> asked = command;
  asked.push_back("--hash");
  EXPECT_EQ(Json::parse(run(asked).out)["model"]["sha256"].get<std::string>().size(), 64u);
}

TEST_F(Cli, ForecastsWhatEachTechniqueSaves) {
  write_model(kSaturatingModel, folder_ / "pairs.onnx");
  const Json json = Json::parse(run({"inspect", "pairs.onnx", "--json"}).out);
  ASSERT_EQ(json["weights"].size(), 2u);
  EXPECT_EQ(json["weights"][0]["elements"], 18);
  EXPECT_EQ(json["weights"][0]["nonzero"], 6);
  EXPECT_EQ(json["weights"][0]["distinct"], 2);
  EXPECT_EQ(json["weights"][0]["dead_channels"], 0);
  EXPECT_EQ(json["weights"][0]["duplicate_channels"], 3) << "every sum is there twice";
  EXPECT_EQ(json["weight_totals"]["removable_channels"], 3);
  EXPECT_EQ(json["weight_totals"]["elements"], 36);
  std::map<std::string, Json> lines;
  for (const Json& line : json["forecast"]) lines[line["technique"].get<std::string>()] = line;
  ASSERT_EQ(lines.size(), 6u);
  const std::vector<std::pair<std::string, std::vector<std::string>>> commands = {
      {"simplify", {"simplify", "pairs.onnx"}},
      {"prune 50 %", {"prune", "pairs.onnx", "--sparsity", "0.5", "--repair", "none"}},
      {"share 4 bits", {"share", "pairs.onnx", "--bits", "4", "--repair", "none"}},
      {"int8", {"quantize", "pairs.onnx", "--calib", "calib.npz"}},
      {"int4 weights", {"quantize", "pairs.onnx", "--weights", "int4", "--repair", "none"}}};
  for (auto [technique, command] : commands) {
    command.insert(command.end(), {"-o", "out.onnx", "--no-provenance", "--force", "-q"});
    ASSERT_EQ(run(command).exit_code, 0) << technique;
    const auto real = static_cast<int64_t>(fs::file_size(folder_ / "out.onnx"));
    const Json& line = lines[technique];
    if (line["reason"] == "nothing to do") continue;
    // The version of the tool and what it used are written into the file.
    EXPECT_NEAR(line["bytes"].get<double>(), static_cast<double>(real), 250) << technique;
    EXPECT_EQ(line["saves"].get<int64_t>(), json["model"]["bytes"].get<int64_t>() - line["bytes"].get<int64_t>());
  }
  ASSERT_EQ(run({"pack", "pairs.onnx", "-o", "pairs.esm"}).exit_code, 0);
  EXPECT_NEAR(lines["pack"]["packed_bytes"].get<double>(), static_cast<double>(fs::file_size(folder_ / "pairs.esm")),
              9);
  const std::string text = run({"inspect", "pairs.onnx"}).out;
  EXPECT_NE(text.find("forecast, without data"), std::string::npos) << text;
  const Json without = Json::parse(run({"inspect", "pairs.onnx", "--json", "--no-forecast"}).out);
  EXPECT_TRUE(without["forecast"].empty());
  EXPECT_EQ(without["weights"], json["weights"]);
}

TEST_F(Cli, RunsARecipeIntoAFolder) {
  ASSERT_TRUE(write_file(folder_ / "r.toml",
                         "model = \"m.onnx\"\noutput = \"small.onnx\"\n[data]\neval = \"d.npz\"\n[[step]]\npass = "
                         "\"simplify\"\n")
                  .ok());
  const ToolResult result = run({"run", "r.toml", "-o", "out"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  for (const char* name : {"out/small.onnx", "out/report.json", "out/report.html"}) {
    EXPECT_TRUE(fs::exists(folder_ / name)) << name;
  }
  EXPECT_EQ(run({"run", "r.toml", "-o", "out"}).exit_code, 2) << "the output exists";
  EXPECT_EQ(run({"run", "r.toml", "-o", "out", "--force"}).exit_code, 0);
}

TEST_F(Cli, PrintsTheRecipeThatACommandMeans) {
  const ToolResult printed = run({"simplify", "m.onnx", "-o", "s.onnx", "--eval", "d.npz", "--eval-limit", "30",
                                  "--scale", "1/2", "--max-drop", "0.5", "--set", "seed=4", "--print-recipe"});
  ASSERT_EQ(printed.exit_code, 0) << printed.err;
  EXPECT_FALSE(fs::exists(folder_ / "s.onnx"));
  ASSERT_TRUE(write_file(folder_ / "r.toml", printed.out).ok());
  const ToolResult ran = run({"run", "r.toml", "--json"});
  ASSERT_EQ(ran.exit_code, 0) << ran.err;
  const Json json = Json::parse(ran.out);
  EXPECT_EQ(json["recipe"]["seed"], 4);
  EXPECT_EQ(json["data"][0]["samples"], 30);
  EXPECT_EQ(json["data"][0]["preprocess"]["scale"], 0.5);
  EXPECT_TRUE(fs::exists(folder_ / "s.onnx"));
}

TEST_F(Cli, HoldsTheBudgetOnEveryGateTarget) {
  const ToolResult result = run({"simplify", "m.onnx", "-o", "s.onnx", "--eval", "d.npz", "--max-drop", "0.5",
                                 "--gate-targets", "ort-x86-vnni,cmsis-nn-l4r5", "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Json json = Json::parse(result.out);
  EXPECT_EQ(json["recipe"]["gate"]["targets"], (Json{"ort-x86-vnni", "cmsis-nn-l4r5"}));
  ASSERT_EQ(json["steps"][0]["targets"].size(), 2u);
  EXPECT_EQ(json["steps"][0]["targets"][1]["arithmetic"], "tflite");
  EXPECT_EQ(json["output"]["targets"][0]["name"], "ort-x86-vnni");
  const ToolResult unknown = run({"simplify", "m.onnx", "-o", "t.onnx", "--gate-targets", "ort-x68"});
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_NE(unknown.err.find("--gate-targets: unknown target 'ort-x68'; did you mean 'ort-x86'?"), std::string::npos)
      << unknown.err;
}

TEST_F(Cli, WritesTheReportOfCommandsThatOnlyMeasure) {
  const std::vector<std::vector<std::string>> commands = {{"inspect", "m.onnx"},
                                                          {"eval", "m.onnx", "--data", "d.npz"},
                                                          {"compare", "m.onnx", "m.onnx", "--data", "d.npz"},
                                                          {"infer", "m.onnx", "--data", "d.npz", "-o", "a.npz"}};
  for (std::vector<std::string> args : commands) {
    const std::string folder = "report-" + args[0];
    args.insert(args.end(), {"--report", folder, "--json", "-q"});
    const ToolResult result = run(args);
    ASSERT_EQ(result.exit_code, 0) << args[0] << ": " << result.err;
    EXPECT_EQ(*read_file(folder_ / (folder + "/report.json")), result.out) << args[0];
    const std::string page = *read_file(folder_ / (folder + "/report.html"));
    EXPECT_NE(page.find("<td>schema</td><td>edgesmith." + args[0] + "/1</td>"), std::string::npos) << page;
    EXPECT_EQ(page.find("http"), std::string::npos) << "nothing is fetched";
  }
}

TEST_F(Cli, LetsASeedOfZeroReplaceTheRecipes) {
  ASSERT_TRUE(write_file(folder_ / "r.toml", "model = \"m.onnx\"\nseed = 4\n[[step]]\npass = \"simplify\"\n").ok());
  EXPECT_NE(run({"run", "r.toml", "--print-recipe"}).out.find("seed = 4"), std::string::npos);
  EXPECT_EQ(run({"run", "r.toml", "--seed", "0", "--print-recipe"}).out.find("seed = 4"), std::string::npos);
  EXPECT_EQ(run({"run", "r.toml", "--seed", "-1", "--print-recipe"}).exit_code, 2);
}

TEST_F(Cli, ListsItsTables) {
  for (const char* command : {"passes", "ops", "metrics", "targets"}) {
    const ToolResult json = run({command, "--json"});
    EXPECT_EQ(json.exit_code, 0);
    EXPECT_EQ(Json::parse(json.out)["schema"], "edgesmith." + std::string(command) + "/1");
    EXPECT_EQ(run({command, "--markdown"}).out.substr(0, 2), "# ");
    EXPECT_EQ(run({command}).exit_code, 0);
  }
  EXPECT_EQ(run({"passes", "simplify"}).exit_code, 0);
  const Json passes = Json::parse(run({"passes", "--json"}).out);
  for (const Json& pass : passes["passes"]) {
    const bool quantizes = pass["name"] == "quantize", prunes = pass["name"] == "prune" || pass["name"] == "share";
    EXPECT_EQ(pass["needs_calib"], quantizes || prunes) << pass;
    EXPECT_EQ(pass["needs_train"], pass["name"] == "distill") << pass;
    EXPECT_EQ(pass["calib_unless"], quantizes ? Json("weights_only,dynamic,repair=none")
                                    : prunes  ? Json("repair=none")
                                              : Json())
        << pass;
  }
  expect_error({"passes", "simplfy"}, 2, "unknown pass 'simplfy'; did you mean 'simplify'?");
}

TEST_F(Cli, ExitsWith1WhenTheGateSaysNo) {
  const ToolResult result = run({"simplify", "m.onnx", "-o", "s.onnx", "--max-bytes", "10", "--json"});
  EXPECT_EQ(result.exit_code, 1);
  const Json json = Json::parse(result.out);
  EXPECT_EQ(json["exit_code"], 1);
  EXPECT_EQ(json["steps"][0]["status"], "rolled_back");
  EXPECT_TRUE(json["output"].is_null());
  EXPECT_FALSE(fs::exists(folder_ / "s.onnx"));
  EXPECT_EQ(run({"simplify", "m.onnx", "-o", "s.onnx", "--max-bytes", "10", "--allow-rollback"}).exit_code, 0);
  const ToolResult failed =
      run({"simplify", "m.onnx", "-o", "s.onnx", "--max-bytes", "10", "--on-fail", "fail", "--json"});
  EXPECT_EQ(failed.exit_code, 1);
  EXPECT_EQ(Json::parse(failed.out)["steps"][0]["status"], "failed");
}

TEST_F(Cli, ExitsWith2ForWrongUsage) {
  expect_error({}, 2, "no command given; see 'edgesmith --help', or begin with 'edgesmith inspect MODEL.onnx'");
  expect_error({"simplfy"}, 2, "unknown command 'simplfy'; did you mean 'simplify'?");
  expect_error({"--jsn"}, 2, "unknown option '--jsn' before the command; see 'edgesmith --help'");
  expect_error({"eval", "m.onnx", "--dat", "d.npz"}, 2, "eval: unknown option '--dat'; did you mean '--data'?");
  expect_error({"eval", "m.onnx", "more"}, 2,
               "eval: unexpected argument 'more'; usage: edgesmith eval MODEL [options]");
  expect_error({"eval", "m.onnx"}, 2, "eval: no data given; add --data D");
  expect_error({"simplify", "m.onnx"}, 2, "simplify: no output given; add -o OUT.onnx");
  expect_error({"simplify", "m.onnx", "-o", "m.onnx", "--force"}, 2,
               "m.onnx: the output is the input; name another file");
  expect_error({"eval", "m.onnx", "--data", "d.npz", "--metric", "top2"}, 2,
               "unknown metric 'top2'; did you mean 'top1'?");
  expect_error({"inspect", "m.onnx", "--target", "ort-x87"}, 2, "unknown target 'ort-x87'; did you mean 'ort-x86'?");
  EXPECT_EQ(run({"eval"}).exit_code, 2);
  EXPECT_EQ(run({"eval", "m.onnx", "--threads", "none"}).exit_code, 2);
  EXPECT_EQ(run({"simplify", "m.onnx", "-o", "s.onnx", "--on-fail", "cry"}).exit_code, 2);
}

TEST_F(Cli, QuantizesAModelIntoTheSameBytesForAnyNumberOfThreads) {
  const std::vector<std::string> args = {"quantize", "m.onnx",   "--calib", "calib.npz", "--eval",
                                         "d.npz",    "--report", "rep",     "--json",    "-q"};
  std::vector<std::string> first = args, second = args;
  first.insert(first.end(), {"-o", "one.onnx", "--threads", "1"});
  second.insert(second.end(), {"-o", "two.onnx", "--threads", "2"});
  const ToolResult result = run(first);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  ASSERT_EQ(run(second).exit_code, 0);
  EXPECT_EQ(*read_file(folder_ / "one.onnx"), *read_file(folder_ / "two.onnx"));
  const Json json = Json::parse(result.out);
  EXPECT_EQ(json["steps"][0]["pass"], "quantize");
  EXPECT_EQ(json["steps"][0]["options"]["calibrator"], "auto");
  EXPECT_FALSE(json["layers"].empty());
  EXPECT_GT(Json::parse(run({"inspect", "one.onnx", "--json"}).out)["quantized"]["values"], 0);
}

TEST_F(Cli, CalibratesOnDataThatATomlFileDescribes) {
  ASSERT_TRUE(write_file(folder_ / "calib.toml", "path = 'calib.npz'\nlimit = 30\n[preprocess]\nscale = 1\n").ok());
  const ToolResult result =
      run({"quantize", "m.onnx", "-o", "q.onnx", "--calib", "calib.toml", "--calib-limit", "16", "-q"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  // A description of a description is refused, whichever way it is reached.
  ASSERT_TRUE(write_file(folder_ / "twice.toml", "path = 'calib.toml'\n").ok());
  EXPECT_EQ(run({"quantize", "m.onnx", "-o", "r.onnx", "--calib", "twice.toml", "-q"}).exit_code, 2);
}

TEST_F(Cli, QuantizesNothingWithoutCalibrationDataOrWithASelectorThatMatchesNothing) {
  expect_error(
      {"quantize", "m.onnx", "-o", "q.onnx"}, 2,
      "quantize needs calibration data; give some with --calib, or use --weights-only or --dynamic or --repair none");
  EXPECT_EQ(run({"quantize", "m.onnx", "-o", "q.onnx", "--calib", "calib.npz", "--skip", "stem*"}).exit_code, 2);
  EXPECT_EQ(run({"quantize", "m.onnx", "-o", "q.onnx", "--calib", "calib.npz", "--calibrator", "luck"}).exit_code, 2);
  EXPECT_FALSE(fs::exists(folder_ / "q.onnx"));
}

TEST_F(Cli, WritesWeightsOfFourBits) {
  write_model(kSaturatingModel, folder_ / "pairs.onnx");
  const std::string needs =
      "quantize needs calibration data; give some with --calib, or use --weights-only or --dynamic or --repair none";
  expect_error({"quantize", "pairs.onnx", "-o", "w4.onnx", "--weights", "int4"}, 2, needs);
  const ToolResult nearest =
      run({"quantize", "pairs.onnx", "-o", "w4.onnx", "--weights", "int4", "--repair", "none", "--json"});
  ASSERT_EQ(nearest.exit_code, 0) << nearest.err;
  EXPECT_NE(nearest.out.find("opset raised from"), std::string::npos);
  EXPECT_NE(nearest.out.find("needs it"), std::string::npos);
  const ToolResult repaired =
      run({"quantize", "pairs.onnx", "-o", "w4.onnx", "--weights", "int4", "--calib", "calib.npz", "--force", "-q"});
  EXPECT_EQ(repaired.exit_code, 0) << repaired.err;
  EXPECT_EQ(run({"inspect", "w4.onnx"}).exit_code, 0);
  const ToolResult check = run({"check", "w4.onnx", "--target", "tensorrt-orin", "--json"});
  EXPECT_EQ(check.exit_code, 1);
  EXPECT_NE(check.out.find("weight-dtype"), std::string::npos) << check.out;
  EXPECT_EQ(run({"check", "w4.onnx", "--target", "ort-x86"}).out.find("weight-dtype"), std::string::npos);
  EXPECT_EQ(run({"quantize", "pairs.onnx", "-o", "x.onnx", "--weights", "int9", "--calib", "calib.npz"}).exit_code, 2);
  const ToolResult block = run(
      {"quantize", "pairs.onnx", "-o", "x.onnx", "--weights", "int4", "--block", "7", "--calib", "calib.npz", "-q"});
  EXPECT_EQ(block.exit_code, 2);
  EXPECT_NE(block.err.find("blocks of 7 divide the input channels of no layer"), std::string::npos) << block.err;
  EXPECT_FALSE(fs::exists(folder_ / "x.onnx"));
}

TEST_F(Cli, SharesBitsBetweenLayersWithinABudget) {
  write_model(kSaturatingModel, folder_ / "pairs.onnx");
  for (const char* command : {"quantize", "share"}) {
    const std::vector<std::string> common = {command, "pairs.onnx", "-o", "x.onnx", "--calib", "calib.npz"};
    const auto with = [&](std::vector<std::string> more) {
      more.insert(more.begin(), common.begin(), common.end());
      return more;
    };
    const auto refuses = [&](const std::vector<std::string>& more, const std::string& text) {
      const ToolResult result = run(with(more));
      EXPECT_EQ(result.exit_code, 2) << result.err;
      EXPECT_NE(result.err.find(text), std::string::npos) << result.err;
    };
    refuses({"--size", "100"}, "size is a budget for bits that layers share; give --bits-per-layer auto");
    refuses({"--bits-per-layer", "auto", "--size", "100", "--sqnr", "20"},
            "size and sqnr are two budgets for the same bits; leave one of them out");
    refuses({"--bits-per-layer", "auto", "--size", "1"}, "a size of 1 bytes is out of reach: the fewest bits take");
    EXPECT_EQ(run(with({"--bits-per-layer", "some"})).exit_code, 2);
    EXPECT_EQ(run(with({"--bits-per-layer", "auto", "--size", "-3"})).exit_code, 2);
    EXPECT_FALSE(fs::exists(folder_ / "x.onnx"));
  }
  const ToolResult mixed = run({"quantize", "pairs.onnx", "-o", "x.onnx", "--calib", "calib.npz", "--weights", "int4",
                                "--bits-per-layer", "auto", "--report", "r", "--json"});
  ASSERT_EQ(mixed.exit_code, 0) << mixed.err;
  const Json json = Json::parse(mixed.out);
  EXPECT_NE(json["steps"][0]["notes"].dump().find("bits are shared out"), std::string::npos);
  const Json report = Json::parse(*read_file(folder_ / "r/report.json"));
  for (const Json& layer : report["layers"]) {
    EXPECT_GE(layer["numbers"]["bits"].get<double>(), 2) << layer;
    EXPECT_LE(layer["numbers"]["bits"].get<double>(), 8) << layer;
  }
}

TEST_F(Cli, LeavesAnExistingOutputAlone) {
  ASSERT_TRUE(write_file(folder_ / "s.onnx", "mine").ok());
  expect_error({"simplify", "m.onnx", "-o", "s.onnx"}, 2,
               "s.onnx: exists already; name another file, or add --force to overwrite it");
  EXPECT_EQ(*read_file(folder_ / "s.onnx"), "mine");
  EXPECT_EQ(run({"simplify", "m.onnx", "-o", "s.onnx", "--force"}).exit_code, 0);
}

TEST_F(Cli, ExitsWith5WhenFilesFail) {
  expect_error({"inspect", "none.onnx"}, 5, "none.onnx: cannot open: No such file or directory; check the path");
  EXPECT_EQ(run({"simplify", "m.onnx", "-o", "none/s.onnx"}).exit_code, 5);
  EXPECT_EQ(run({"eval", "m.onnx", "--data", "d.npz", "--events", "none/e.jsonl"}).exit_code, 5);
}

TEST_F(Cli, ExitsWith5WhenStdoutIsFull) {
  if (access("/dev/full", W_OK) != 0) GTEST_SKIP() << "no /dev/full here";
  ToolOptions options;
  options.stdout_path = "/dev/full";
  EXPECT_EQ(run({"inspect", "m.onnx"}, options).exit_code, 5);
  EXPECT_EQ(run({"eval", "m.onnx", "--data", "d.npz", "--json"}, options).exit_code, 5);
}

TEST_F(Cli, LeavesNothingBehindOnAFullDisk) {
  const std::string disk = folder_ / "disk";
  fs::create_directory(disk);
  const std::string mount = "mount -t tmpfs -o size=4k tmpfs " + disk + " 2>/dev/null";
  if (std::system(mount.c_str()) != 0) GTEST_SKIP() << "cannot mount a small tmpfs here";
  const ToolResult result = run({"infer", "m.onnx", "--data", "d.npz", "-o", "disk/a.npz"});
  EXPECT_EQ(result.exit_code, 0) << "60 answers fit: " << result.err;
  write_data(folder_ / "many.npz", 5000, 3);
  const ToolResult full = run({"infer", "m.onnx", "--data", "many.npz", "-o", "disk/b.npz"});
  int left = 0;
  for (const auto& entry : fs::directory_iterator(disk)) left += entry.exists() ? 1 : 0;
  EXPECT_EQ(left, 1) << "the first answers, and no temporary file";
  EXPECT_EQ(std::system(("umount " + disk).c_str()), 0);
  EXPECT_EQ(full.exit_code, 5);
  EXPECT_NE(full.err.find("disk/b.npz: cannot write: No space left on device"), std::string::npos) << full.err;
}

TEST_F(Cli, ExitsWith130WhenInterruptedAndLeavesNothing) {
  write_data(folder_ / "many.npz", 2000000, 3);
  ToolOptions options;
  options.while_running = [&](int pid) {
    for (int i = 0; i < 3000; ++i) {  // wait for the measuring to begin
      const auto events = read_file(folder_ / "e.jsonl");
      if (events.ok() && events->find("begin") != std::string::npos) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    kill(pid, SIGINT);
  };
  const ToolResult result = run(
      {"simplify", "m.onnx", "-o", "s.onnx", "--eval", "many.npz", "--events", "e.jsonl", "--threads", "1"}, options);
  EXPECT_EQ(result.exit_code, 130) << result.err;
  EXPECT_NE(result.err.find("edgesmith: error: "), std::string::npos);
  EXPECT_FALSE(fs::exists(folder_ / "s.onnx"));
  for (const std::string& name : folder_.names()) EXPECT_NE(name.substr(0, 11), ".edgesmith-") << name;
}

TEST_F(Cli, PutsTheErrorIntoTheJsonToo) {
  const ToolResult result = run({"eval", "none.onnx", "--data", "d.npz", "--json"});
  EXPECT_EQ(result.exit_code, 5);
  const Json json = Json::parse(result.out);
  EXPECT_EQ(json["error"]["kind"], "io");
  EXPECT_EQ(json["error"]["message"], "none.onnx: cannot open: No such file or directory");
  EXPECT_EQ(json["error"]["hint"], "check the path");
  EXPECT_EQ(Json::parse(run({"evla", "--json"}).out)["error"]["kind"], "usage");
}

TEST_F(Cli, WritesPlainProgressAndNoColourWhereNobodyLooks) {
  const ToolResult result = run({"eval", "m.onnx", "--data", "d.npz"});
  EXPECT_EQ(result.out.find('\033'), std::string::npos);
  EXPECT_EQ(result.err.find('\033'), std::string::npos);
  EXPECT_NE(result.err.find("evaluate: 60"), std::string::npos);
  EXPECT_EQ(run({"eval", "m.onnx", "--data", "d.npz", "-q"}).err, "");
  EXPECT_NE(run({"simplify", "m.onnx", "-o", "s.onnx", "--color", "always"}).out.find('\033'), std::string::npos);
}

TEST_F(Cli, WritesEventsAsJsonLines) {
  ASSERT_EQ(run({"eval", "m.onnx", "--data", "d.npz", "--events", "e.jsonl", "-q"}).exit_code, 0);
  std::istringstream lines(*read_file(folder_ / "e.jsonl"));
  std::vector<std::string> events;
  for (std::string line; std::getline(lines, line);) events.push_back(Json::parse(line)["event"]);
  ASSERT_GE(events.size(), 2u);
  EXPECT_EQ(events.front(), "begin");
  EXPECT_EQ(events.back(), "end");
}

TEST_F(Cli, ListsOfNumbersDoNotSwallowTheModel) {
  const ToolResult result = run({"eval", "--mean", "-0.5", "0", "0", "--data", "d.npz", "m.onnx", "-q"});
  EXPECT_EQ(result.err.find("unexpected argument"), std::string::npos) << result.err;
}

TEST(CliHelp, IsAsDocumented) {
  std::string text = run_tool({"--help"}).out;
  for (const char* command :
       {"inspect", "check", "eval",    "bench",   "select",   "compare", "infer", "simplify", "quantize",  "run", "zoo",
        "passes",  "ops",   "metrics", "targets", "diagnose", "report",  "cache", "schema",   "completion"}) {
    text += "\n$ edgesmith " + std::string(command) + " --help\n" + run_tool({command, "--help"}).out;
  }
  const std::string path = EDGESMITH_SOURCE_DIR "/tests/cli/help.txt";
  if (std::getenv("UPDATE_GOLDEN") != nullptr) {
    ASSERT_TRUE(write_file(path, text).ok());
    GTEST_SKIP() << "wrote " << path;
  }
  EXPECT_EQ(*read_file(path), text) << "UPDATE_GOLDEN=1 rewrites it";
}

TEST(CliHelp, NamesTheVersion) { EXPECT_EQ(run_tool({"--version"}).out.substr(0, 10), "edgesmith "); }

}  // namespace
}  // namespace edgesmith::testing
