// SPDX-License-Identifier: Apache-2.0
// The contract of `select` and `bench --plan`: the plan, its hash of the model, the cache, wrong usage. How fast
// anything is, is not tested.
#include <filesystem>

#include "cli/tool_test.h"
#include "edgesmith/base/file.h"

namespace edgesmith::testing {
namespace {

namespace fs = std::filesystem;

constexpr const char* kNet = R"(graph @net(%x: f32[N,8,6,6]) -> (scores: f32[N,3]) {
  %w = constant random(seed=1) : f32[8,8,3,3]
  %v = constant random(seed=2) : f32[128,3]
  %c = conv %x, %w, _
  %r = relu %c
  %f = flatten %r {axis=1}
  %y = mat_mul %f, %v
  return %y
}
)";

class SelectCommand : public ToolTest {
 protected:
  void SetUp() override {
    write_model(kNet, folder_ / "m.onnx");
    write_model(kTinyModel, folder_ / "t.onnx");
    environment_ = {{"XDG_CACHE_HOME", (fs::path(folder_.path()) / "cache").string()}, {"EDGESMITH_CACHE", ""}};
  }

  std::string cache() { return (fs::path(folder_.path()) / "cache" / "edgesmith" / "kernel-times").string(); }
};

TEST_F(SelectCommand, WritesThePlanThatItPrints) {
  const Json plan = json_of({"select", "m.onnx", "--target", "host", "-o", "plan.json"});
  EXPECT_EQ(Json::parse(*read_file(folder_ / "plan.json")), plan);
  EXPECT_EQ(plan["schema"], "edgesmith.plan/1");
  EXPECT_EQ(plan["model"]["path"], "m.onnx");
  EXPECT_EQ(plan["model"]["sha256"].get<std::string>().size(), 64u);
  EXPECT_EQ(plan["target"], "host");
  EXPECT_TRUE(plan["reassociate"].get<bool>());
  for (const char* key : {"cpu", "isa", "version", "arithmetic"}) EXPECT_FALSE(plan[key].get<std::string>().empty());
  for (const char* key : {"predicted_us", "measured_us", "default_us"}) EXPECT_GT(plan[key].get<double>(), 0) << key;
  ASSERT_EQ(plan["nodes"].size(), 3u);
  const Json& conv = plan["nodes"][0];
  EXPECT_EQ(conv["op"], "Conv");
  EXPECT_EQ(conv["precision"], "float32");
  EXPECT_EQ(conv["layout"], "row-major");
  EXPECT_GT(conv["time_us"].get<double>(), 0);
  EXPECT_GT(conv["cold_us"].get<double>(), 0);
  EXPECT_TRUE(conv["runner_up"].contains("kernel"));
  EXPECT_GE(conv["why_not"].size(), 6u);
  EXPECT_TRUE(plan["nodes"][1]["fixed"].get<bool>());
}

TEST_F(SelectCommand, ShowsATable) {
  const ToolResult result = run({"select", "m.onnx", "--target", "host", "-q"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, "");
  const std::string text = run({"select", "m.onnx", "--target", "host"}).out;
  for (const char* part : {"runner-up", "native.conv_f32", "float32", "predicted", "measured", "default"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part;
  }
}

TEST_F(SelectCommand, TheReportPlotsThePlan) {
  const Json plan = json_of({"select", "m.onnx", "--target", "host", "--report", "r"});
  EXPECT_EQ(Json::parse(*read_file(folder_ / "r/report.json")), plan);
  const std::string page = *read_file(folder_ / "r/report.html");
  const std::string plot = page.substr(page.find("<svg"), page.find("</svg>") - page.find("<svg"));
  const Json& conv = plan["nodes"][0];
  for (const Json& kernel : {conv["kernel"], conv["runner_up"]["kernel"]}) {
    EXPECT_NE(plot.find("in " + kernel.get<std::string>() + ": "), std::string::npos) << kernel << "\n" << plot;
  }
}

TEST_F(SelectCommand, BenchRunsThePlanAndShowsItsPrediction) {
  const Json plan = json_of({"select", "m.onnx", "--target", "host", "-o", "plan.json"});
  const Json bench = json_of({"bench", "m.onnx", "--plan", "plan.json", "--runs", "20"});
  EXPECT_EQ(bench["plan"]["path"], "plan.json");
  EXPECT_EQ(bench["plan"]["predicted_us"], plan["predicted_us"]);
  EXPECT_EQ(bench["plan"]["measured_us"], bench["latency_us"]["min"]);
  // Which kernel wins depends on the machine, and those that reassociate give other bits: without them all agree.
  json_of({"select", "m.onnx", "--target", "host", "--no-reassociate", "-o", "exact.json"});
  EXPECT_EQ(json_of({"bench", "m.onnx", "--plan", "exact.json", "--runs", "5"})["output_sha256"],
            json_of({"bench", "m.onnx", "--no-reassociate", "--runs", "5"})["output_sha256"]);
  EXPECT_FALSE(json_of({"bench", "m.onnx", "--runs", "5"}).contains("plan"));
  EXPECT_NE(run({"bench", "m.onnx", "--plan", "plan.json", "--runs", "5"}).out.find("plan.json predicts "),
            std::string::npos);
}

TEST_F(SelectCommand, BenchRunsTheKernelsOfThePlanAndNoOthers) {
  Json plan = json_of({"select", "m.onnx", "--target", "host", "-o", "plan.json", "--no-reassociate"});
  plan["nodes"][0]["kernel"] = "reference";
  ASSERT_TRUE(write_file(folder_ / "plain.json", plan.dump()).ok());
  EXPECT_EQ(json_of({"bench", "m.onnx", "--plan", "plain.json", "--runs", "5"})["kernels"][0]["kernel"], "reference");
  plan["nodes"][0]["kernel"] = "native.winograd_conv_f32";
  ASSERT_TRUE(write_file(folder_ / "bad.json", plan.dump()).ok());
  expect_error({"bench", "m.onnx", "--plan", "bad.json"}, 2,
               "m.onnx: conv producing 'c': kernel 'native.winograd_conv_f32' cannot run it; choose one of "
               "native.conv_f32, reference");
}

TEST_F(SelectCommand, BenchRefusesAPlanForAnotherModelWithBothHashes) {
  const std::string sha = json_of({"select", "m.onnx", "--target", "host", "-o", "plan.json"})["model"]["sha256"];
  const std::string other = json_of({"select", "t.onnx", "--target", "host"})["model"]["sha256"];
  expect_error({"bench", "t.onnx", "--plan", "plan.json"}, 3,
               "plan.json: the plan is for a model with sha256 " + sha + ", this one has " + other +
                   "; make a plan for this model with 'edgesmith select'");
  ASSERT_TRUE(write_file(folder_ / "no.json", "hello").ok());
  expect_error({"bench", "m.onnx", "--plan", "no.json"}, 3,
               "no.json: no plan (it is not JSON); make one with 'edgesmith select MODEL -o plan.json'");
  EXPECT_EQ(run({"bench", "m.onnx", "--plan", "missing.json"}).exit_code, 5);
  expect_error({"bench", "m.onnx", "t.onnx", "--plan", "plan.json"}, 2,
               "bench --plan: one model, one sample at a time, by the kernels of its plan; leave out OTHER, --batch, "
               "--pipeline and --reference");
}

TEST_F(SelectCommand, KeepsTimesUnlessToldNotTo) {
  json_of({"select", "m.onnx", "--target", "host", "--no-cache"});
  EXPECT_FALSE(fs::exists(cache()));
  json_of({"select", "m.onnx", "--target", "host"});
  ASSERT_TRUE(fs::exists(cache()));
  const std::string kept = *read_file(cache());
  const Json again = json_of({"select", "m.onnx", "--target", "host"});
  EXPECT_EQ(*read_file(cache()), kept) << "nothing was measured again";
  ASSERT_TRUE(write_file(cache(), "damaged").ok());
  const ToolResult result = run({"select", "m.onnx", "--target", "host", "-q"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_NE(result.err.find("the file of kernel times is damaged and will be made again"), std::string::npos);
  EXPECT_EQ(run({"select", "m.onnx", "--target", "host", "-q"}).err, "");
}

TEST_F(SelectCommand, KeepsTimesWhereTheCacheIs) {
  const std::vector<std::string> select = {"select", "m.onnx", "--target", "host"};
  environment_["EDGESMITH_CACHE"] = "off";
  json_of(select);
  EXPECT_FALSE(fs::exists(cache()));
  environment_["EDGESMITH_CACHE"] = folder_ / "mine";
  json_of(select);
  EXPECT_TRUE(fs::exists(folder_ / "mine/kernel-times"));
  std::vector<std::string> elsewhere = select;
  elsewhere.insert(elsewhere.end(), {"--cache-dir", "other"});
  json_of(elsewhere);
  EXPECT_TRUE(fs::exists(folder_ / "other/kernel-times"));
  EXPECT_FALSE(fs::exists(cache()));

  const Json info = json_of({"cache", "info"});
  EXPECT_GT(info["kernel_times"], 0);
  EXPECT_EQ(json_of({"cache", "clear"})["kernel_times"], info["kernel_times"]);
  EXPECT_FALSE(fs::exists(folder_ / "mine/kernel-times"));
  EXPECT_EQ(json_of({"cache", "info"})["kernel_times"], 0);
  EXPECT_TRUE(fs::exists(folder_ / "other/kernel-times"));
}

TEST_F(SelectCommand, RefusesWrongUsage) {
  expect_error({"select", "m.onnx"}, 2,
               "select: no target given; add --target host; 'edgesmith targets' lists the others");
  expect_error({"select", "m.onnx", "--target", "hots"}, 2, "unknown target 'hots'; did you mean 'host'?");
  expect_error({"select", "m.onnx", "--target", "host", "--model-output", "o.onnx"}, 2,
               "select --target host: without --costs it chooses kernels, which changes no model; leave out --original "
               "and --model-output, or add --costs");
  EXPECT_EQ(run({"select", "missing.onnx", "--target", "host"}).exit_code, 5);
  ASSERT_TRUE(write_file(folder_ / "plan.json", "mine").ok());
  EXPECT_EQ(run({"select", "m.onnx", "--target", "host", "-o", "plan.json"}).exit_code, 2);
  EXPECT_EQ(*read_file(folder_ / "plan.json"), "mine");
  EXPECT_EQ(run({"select", "m.onnx", "--target", "host", "-o", "m.onnx", "--force"}).exit_code, 2);
  EXPECT_EQ(run({"select", "m.onnx", "--target", "host", "--memory-limit", "100"}).exit_code, 5);
}

TEST_F(SelectCommand, FreeDimsHaveTheSizesThatAreNamed) {
  write_model(R"(graph @g(%x: f32[N,H]) -> (y) {
  %k = constant {1, 2} : f32[1,2]
  %r = relu %x : f32[N,H]
  %y = concat %r, %k {axis=0} : f32[M,2]
  return %y
}
)",
              folder_ / "free.onnx");
  const ToolResult result = run({"select", "free.onnx", "--target", "host"});
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_NE(result.err.find("; free dims are 1 unless --dim NAME=N says otherwise\n"), std::string::npos) << result.err;
  const Json plan = json_of({"select", "free.onnx", "--target", "host", "--dim", "H=2"});
  EXPECT_FALSE(plan["nodes"].empty());
  expect_error({"select", "free.onnx", "--target", "host", "--dim", "H"}, 2,
               "--dim: 'H' is no name with a size; write H=64");
  EXPECT_EQ(run({"select", "free.onnx", "--target", "ort-x86", "--dim", "H=2"}).exit_code, 2);
}

}  // namespace
}  // namespace edgesmith::testing
