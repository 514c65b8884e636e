// SPDX-License-Identifier: Apache-2.0
// Models against targets on the command line, and profiles of users.
#include <filesystem>

#include "cli/tool_test.h"

namespace edgesmith::testing {
namespace {

namespace fs = std::filesystem;

class CliTargets : public ToolTest {
 protected:
  void SetUp() override {
    write_model(kTinyModel, folder_ / "m.onnx");
    write_data(folder_ / "calib.npz", 40, 2);
  }
};

TEST_F(CliTargets, ChecksAModelAgainstATarget) {
  const ToolResult taken = run({"check", "m.onnx", "--target", "ort-x86", "--json"});
  EXPECT_EQ(taken.exit_code, 0) << taken.err;
  const Json good = Json::parse(taken.out);
  EXPECT_EQ(good["schema"], "edgesmith.check/1");
  EXPECT_EQ(good["takes"], true);
  EXPECT_TRUE(good["violations"].empty());
  EXPECT_EQ(good["memory"]["weight_bytes"], 36);
  EXPECT_EQ(good["saturation"]["unsafe_pairs"], 0);
  const ToolResult refused = run({"check", "m.onnx", "--target", "cmsis-nn-l4r5", "--json"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_EQ(refused.err, "");
  const Json bad = Json::parse(refused.out);
  EXPECT_EQ(bad["takes"], false);
  ASSERT_EQ(bad["violations"].size(), 1u);
  EXPECT_EQ(bad["violations"][0]["rule"], "quantized");
  for (const char* key : {"node", "rule", "value", "limit", "fix"}) {
    EXPECT_TRUE(bad["violations"][0].contains(key)) << key;
  }
  EXPECT_TRUE(bad["saturation"].is_null());
  EXPECT_EQ(bad["memory"]["ram_limit"], 640 * 1024);
  const std::string text = run({"check", "m.onnx", "--target", "cmsis-nn-l4r5"}).out;
  EXPECT_EQ(text.substr(0, text.find('\n')), "cmsis-nn-l4r5 does not take m.onnx: 1 rule is broken");
  EXPECT_EQ(run({"check", "m.onnx", "--target", "ort-x86"}).out, "ort-x86 takes m.onnx\n  memory: RAM 96 B\n");
}

TEST_F(CliTargets, InspectsAModelForATarget) {
  const Json json = Json::parse(run({"inspect", "m.onnx", "--target", "cmsis-nn-l4r5", "--json"}).out);
  const Json& target = json["target"];
  EXPECT_EQ(target["name"], "cmsis-nn-l4r5");
  EXPECT_EQ(target["takes"], false);
  EXPECT_EQ(target["ram_limit"], 640 * 1024);
  ASSERT_EQ(target["nodes"].size(), 2u) << "MatMul and Relu";
  EXPECT_GT(target["nodes"][0]["seconds"].get<double>(), 0);
  EXPECT_GT(target["joules"].get<double>(), 0);
  EXPECT_TRUE(Json::parse(run({"inspect", "m.onnx", "--json"}).out)["target"].is_null());
  const std::string text = run({"inspect", "m.onnx", "--target", "cmsis-nn-l4r5"}).out;
  EXPECT_NE(text.find("most expensive"), std::string::npos);
  EXPECT_NE(text.find("of 655 kB"), std::string::npos);
}

TEST_F(CliTargets, ShowsATarget) {
  const Json json = Json::parse(run({"targets", "show", "tensorrt-orin", "--json"}).out);
  EXPECT_EQ(json["schema"], "edgesmith.target/1");
  EXPECT_EQ(json["quantization"]["symmetric"], true);
  EXPECT_EQ(json["limits"]["opset"][1], 20);
  EXPECT_NE(run({"targets", "show", "cmsis-nn-ra8d1"}).out.find("Cortex-M85"), std::string::npos);
  expect_error({"targets", "show"}, 2, "targets show: no target given; see 'edgesmith targets'");
  expect_error({"targets", "show", "hosst"}, 2, "unknown target 'hosst'; did you mean 'host'?");
}

TEST_F(CliTargets, TakesProfilesOfUsersAndSaysWhereTheyAreWrong) {
  auto profile = read_file(EDGESMITH_SOURCE_DIR "/src/targets/profiles/ort-x86.toml");
  ASSERT_TRUE(profile.ok());
  const auto write = [&](const std::string& from, const std::string& to) {
    std::string text = *profile;
    const size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    ASSERT_TRUE(write_file(folder_ / "mine.toml", text.replace(at, from.size(), to)).ok());
  };
  write("\"ort-x86\"", "\"mine\"");
  EXPECT_EQ(run({"check", "m.onnx", "--target", "mine.toml"}).out, "mine takes m.onnx\n  memory: RAM 96 B\n");
  EXPECT_EQ(run({"inspect", "m.onnx", "--target", "mine.toml"}).exit_code, 0);
  const std::vector<std::string> quantize = {"quantize", "m.onnx",          "--calib", "calib.npz",
                                             "-q",       "--no-provenance", "-o"};
  auto with = [&](const std::string& output, const std::string& target) {
    std::vector<std::string> args = quantize;
    args.insert(args.end(), {output, "--target", target});
    return run(args);
  };
  EXPECT_EQ(with("mine.onnx", "mine.toml").exit_code, 0);
  EXPECT_EQ(with("theirs.onnx", "ort-x86").exit_code, 0);
  EXPECT_EQ(*read_file(folder_ / "mine.onnx"), *read_file(folder_ / "theirs.onnx"));
  // A recipe's profile lies beside the recipe.
  fs::create_directory(folder_ / "recipes");
  fs::copy_file(folder_ / "mine.toml", folder_ / "recipes/mine.toml");
  ASSERT_TRUE(write_file(folder_ / "recipes/r.toml",
                         "model = '../m.onnx'\ntarget = 'mine.toml'\noutput = 'q.onnx'\n[data]\ncalib = "
                         "'../calib.npz'\n[[step]]\npass = 'quantize'\n")
                  .ok());
  EXPECT_EQ(run({"run", "recipes/r.toml", "--no-provenance", "-q"}).exit_code, 0);
  EXPECT_EQ(*read_file(folder_ / "recipes/q.onnx"), *read_file(folder_ / "mine.onnx"));

  write("clock = ", "clok = ");
  for (const std::vector<std::string>& args : std::vector<std::vector<std::string>>{
           {"check", "m.onnx", "--target", "mine.toml"}, {"inspect", "m.onnx", "--target", "mine.toml"}}) {
    const ToolResult result = run(args);
    EXPECT_EQ(result.exit_code, 2);
    EXPECT_NE(result.err.find("mine.toml: line 14: unknown key 'clok' in [device]; did you mean 'clock'?"),
              std::string::npos)
        << result.err;
  }
  EXPECT_EQ(with("q2.onnx", "mine.toml").exit_code, 2);
  write("3.22 GHz", "3.22 furlongs");
  EXPECT_NE(with("q2.onnx", "mine.toml").err.find("line 14: 'clock' in [device] has no unit 'furlongs'"),
            std::string::npos);
  EXPECT_FALSE(fs::exists(folder_ / "q2.onnx"));
  EXPECT_EQ(run({"check", "m.onnx", "--target", "missing.toml"}).exit_code, 5);
  expect_error({"check", "m.onnx"}, 2, "check: no target given; add --target NAME; 'edgesmith targets' lists them");
  expect_error({"check", "m.onnx", "--target", "ort-x87"}, 2, "unknown target 'ort-x87'; did you mean 'ort-x86'?");
}

TEST_F(CliTargets, EveryTargetTakesWhatWasQuantizedForIt) {
  ASSERT_EQ(run({"simplify", "m.onnx", "-o", "s.onnx"}).exit_code, 0);
  const Json targets = Json::parse(run({"targets", "--json"}).out)["targets"];
  EXPECT_GE(targets.size(), 13u);
  for (const Json& target : targets) {
    const std::string name = target["name"];
    const ToolResult result =
        run({"quantize", "s.onnx", "-o", name + ".onnx", "--target", name, "--calib", "calib.npz", "-q"});
    ASSERT_EQ(result.exit_code, 0) << name << result.err;
    const ToolResult check = run({"check", name + ".onnx", "--target", name});
    EXPECT_EQ(check.exit_code, 0) << check.out;
  }
  // Unsigned codes are not what TensorFlow Lite wants.
  EXPECT_EQ(run({"check", "ort-x86-vnni.onnx", "--target", "tflite-xnnpack-a53"}).exit_code, 1);
}

}  // namespace
}  // namespace edgesmith::testing
