// SPDX-License-Identifier: Apache-2.0
// The step cache as the command line has it, and what a model says of how it was made.
#include <filesystem>

#include "cli/tool_test.h"

namespace edgesmith::testing {
namespace {

namespace fs = std::filesystem;

class CliCache : public ToolTest {
 protected:
  void SetUp() override {
    write_model(kTinyModel, folder_ / "m.onnx");
    write_data(folder_ / "calib.npz", 20, 2);
    write_data(folder_ / "eval.npz", 30, 1);
    ASSERT_TRUE(write_file(folder_ / "r.toml", R"(model = "m.onnx"
output = "o.onnx"
[data]
calib = "calib.npz"
eval = "eval.npz"
[[step]]
pass = "simplify"
[[step]]
pass = "quantize"
)")
                    .ok());
    environment_["EDGESMITH_CACHE"] = folder_ / "cache";
  }
  Json run_recipe(std::vector<std::string> more = {}) {
    std::vector<std::string> args = {"run", "r.toml", "-o", "out", "--force"};
    args.insert(args.end(), more.begin(), more.end());
    return json_of(args);
  }
};

TEST_F(CliCache, AFileIsNoCache) {
  expect_error({"cache", "info", "--cache-dir", "m.onnx"}, 2,
               "m.onnx: is a file, not the folder of a cache; name another --cache-dir");
  expect_error({"cache", "clear", "--cache-dir", "m.onnx"}, 2,
               "m.onnx: is a file, not the folder of a cache; name another --cache-dir");
  EXPECT_EQ(json_of({"cache", "info", "--cache-dir", "none"})["entries"], 0);  // not there: empty
}

TEST_F(CliCache, IsOnSaysSoAndCanBeSwitchedOff) {
  EXPECT_FALSE(run_recipe()["steps"][0].contains("cached"));
  const Json cached = run_recipe();
  EXPECT_EQ(cached["steps"][1]["cached"], (Json{"pass", "measurement"}));
  EXPECT_FALSE(run_recipe({"--no-cache"})["steps"][0].contains("cached"));
  environment_["EDGESMITH_CACHE"] = "off";
  EXPECT_FALSE(run_recipe()["steps"][0].contains("cached"));
  EXPECT_TRUE(run_recipe({"--cache-dir", "cache"})["steps"][0].contains("cached"));
  const ToolResult text = run({"run", "r.toml", "-o", "out", "--force", "--cache-dir", "cache"});
  EXPECT_NE(text.out.find("accepted, cached"), std::string::npos) << text.out;
  EXPECT_NE(text.err.find("simplify: from the cache"), std::string::npos) << text.err;
}

TEST_F(CliCache, IsSharedByRunAndTheCommandOfOnePass) {
  run_recipe();
  const Json alone = json_of({"simplify", "m.onnx", "-o", "s.onnx", "--eval", "eval.npz"});
  EXPECT_EQ(alone["steps"][0]["cached"], (Json{"measurement"})) << "the pass was given calibration data before";
}

TEST_F(CliCache, LargeModelsAreCleanedUpWithoutHashesUnlessSomebodyAsks) {
  constexpr int64_t kColumns = 4'250'000;  // 68 MB of weights
  ir::Graph graph;
  ir::Value& x = graph.add_input("x", ir::type_of(ir::DType::f32, {1, 4}));
  ir::Value& weight = graph.add_constant(ir::Tensor::of<float>({4, kColumns}, std::vector<float>(4 * kColumns, 0.5F)));
  ir::Value& product = graph.append(ir::OpKind::mat_mul, {&x, &weight}).output();
  graph.add_output("y", graph.append(ir::OpKind::identity, {&product}).output());
  ASSERT_TRUE(onnx::export_file(graph, folder_ / "large.onnx").ok());

  EXPECT_EQ(run({"simplify", "large.onnx", "-o", "simple.onnx", "-q"}).exit_code, 0);
  EXPECT_EQ(json_of({"cache", "info"})["entries"], 0) << "an entry would need the hash of the model";
  const Json json = json_of({"simplify", "large.onnx", "-o", "simple.onnx", "--force", "--no-cache"});
  EXPECT_EQ(json["model"]["sha256"].get<std::string>().size(), 64u);
  EXPECT_EQ(json["output"]["sha256"].get<std::string>().size(), 64u);
}

TEST_F(CliCache, InfoCountsAndClearRemoves) {
  EXPECT_EQ(json_of({"cache", "info"})["entries"], 0);
  run_recipe();
  ASSERT_TRUE(write_file(folder_ / "cache/kernel-times", "another file").ok());
  const Json info = json_of({"cache", "info"});
  EXPECT_GT(info["entries"], 4);
  EXPECT_GT(info["bytes"], 0);
  EXPECT_EQ(info["limit"], int64_t{2} << 30);
  EXPECT_EQ(json_of({"cache", "clear"})["removed"], info["entries"]);
  EXPECT_EQ(json_of({"cache", "info"})["entries"], 0);
  EXPECT_TRUE(fs::exists(folder_ / "cache/kernel-times"));
  environment_["EDGESMITH_CACHE_LIMIT"] = "many";
  expect_error({"cache", "info", "-q"}, 2, "EDGESMITH_CACHE_LIMIT: 'many' is no size; write 2GiB, 500MB or bytes");
}

TEST_F(CliCache, FromWantsWhatComesBefore) {
  expect_error({"run", "r.toml", "-o", "out", "--from", "quantize", "-q"}, 2,
               "step 1 (simplify), which --from leaves out, is not in the cache; run the recipe without --from first");
  expect_error({"run", "r.toml", "-o", "out", "--from", "prune", "-q"}, 2,
               "--from prune: the recipe has no such step; its steps: 1 simplify, 2 quantize");
  expect_error({"run", "r.toml", "-o", "out", "--from", "2", "--no-cache", "-q"}, 2,
               "--from needs the cache, which is off; leave out --no-cache, name a --cache-dir, or --from-results of a "
               "run with --keep-steps");
  EXPECT_EQ(run({"run", "r.toml", "-o", "out", "--from-results", "out", "-q"}).exit_code, 2);
  run_recipe();
  const Json report = run_recipe({"--from", "2"});
  EXPECT_TRUE(report["steps"][0].contains("cached"));
  EXPECT_EQ(report["steps"][1]["cached"], (Json{"measurement"}));
}

TEST_F(CliCache, FromTakesTheModelsOfAnEarlierRun) {
  environment_["EDGESMITH_CACHE"] = "off";
  ASSERT_EQ(run({"run", "r.toml", "-o", "first", "--keep-steps", "-q"}).exit_code, 0);
  EXPECT_TRUE(fs::exists(folder_ / "first/steps/1-simplify.onnx"));
  EXPECT_TRUE(fs::exists(folder_ / "first/steps/2-quantize.onnx"));
  EXPECT_EQ(read_file(folder_ / "first/o.onnx")->find("edgesmith.steps"), std::string::npos);
  const std::vector<std::string> again = {"run",      "r.toml",         "-o",   "again", "--from",
                                          "quantize", "--from-results", "first"};
  const Json report = json_of(again);
  EXPECT_EQ(report["steps"][0]["status"], "accepted");
  EXPECT_EQ(report["steps"][0]["reason"], "taken from first/steps/1-simplify.onnx");
  EXPECT_EQ(json_of({"compare", "first/o.onnx", "again/o.onnx", "--data", "eval.npz"})["max_abs_error"], 0);
  // The step itself may change, what comes before it must not.
  std::vector<std::string> changed = again;
  changed.insert(changed.end(), {"--force", "--set", "step.quantize.calibrator=minmax"});
  EXPECT_EQ(json_of(changed)["steps"][1]["options"]["calibrator"], "minmax");
  changed.back() = "seed=3";
  changed.push_back("-q");
  expect_error(
      changed, 2,
      "first/steps/1-simplify.onnx: was made by other steps, options, budgets or data, or of another model; run "
      "the recipe without --from, or with --from an earlier step");
  expect_error({"run", "r.toml", "-o", "x", "--from", "2", "--from-results", "nowhere", "-q"}, 2,
               "nowhere/steps/1-simplify.onnx: is not there, so --from has nothing to begin with; run the recipe with "
               "--keep-steps and -o first");
  EXPECT_EQ(run({"run", "r.toml", "--keep-steps", "-q"}).exit_code, 2);
  fs::copy(folder_ / "m.onnx", folder_ / "first/steps/1-simplify.onnx", fs::copy_options::overwrite_existing);
  expect_error({"run", "r.toml", "-o", "x", "--from", "2", "--from-results", "first", "-q"}, 2,
               "first/steps/1-simplify.onnx: was not written by --keep-steps");
}

TEST_F(CliCache, InspectShowsTwoModelsAndHowOneWasMade) {
  run_recipe();
  const ToolResult one = run({"inspect", "out/o.onnx", "--no-forecast"});
  EXPECT_NE(one.out.find("made with      simplify, quantize; by edgesmith"), std::string::npos) << one.out;
  const ToolResult two = run({"inspect", "m.onnx", "out/o.onnx"});
  EXPECT_EQ(two.exit_code, 0) << two.err;
  EXPECT_NE(two.out.find("Identity"), std::string::npos) << two.out;
  const Json pair = json_of({"inspect", "m.onnx", "out/o.onnx"});
  EXPECT_EQ(pair["schema"], "edgesmith.inspect-pair/1");
  EXPECT_EQ(pair["b"]["model"]["path"], "out/o.onnx");
  EXPECT_EQ(run({"inspect", "m.onnx", "missing.onnx"}).exit_code, 5);
  EXPECT_EQ(run({"inspect", "m.onnx", "out/o.onnx", "--target", "host"}).exit_code, 2);
}

}  // namespace
}  // namespace edgesmith::testing
