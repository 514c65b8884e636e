// SPDX-License-Identifier: Apache-2.0
// The contract of --memory-limit and --time-limit, of `run` and of the commands that are one pass.
#include <sstream>

#include "cli/tool_test.h"

namespace edgesmith::testing {
namespace {

namespace fs = std::filesystem;

class Limits : public ToolTest {
 protected:
  void SetUp() override {
    write_model(kTinyModel, folder_ / "m.onnx");
    write_data(folder_ / "d.npz", 60, 1);
  }
};

/// Takes tens of megabytes for each sample.
constexpr const char* kWideModel = R"(graph @wide(%x: f32[N,3]) -> (logits: f32[N,3]) {
  %w1 = constant random(seed=1) : f32[3,4000000]
  %w2 = constant random(seed=2) : f32[4000000,3]
  %h = mat_mul %x, %w1 : f32[N,4000000]
  %y = mat_mul %h, %w2 : f32[N,3]
  return %y
}
)";

TEST_F(Limits, MemoryBeyondTheLimitIsExitCode5WithItsNumber) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizer itself takes more";
#endif
  write_model(kWideModel, folder_ / "wide.onnx");
  ASSERT_TRUE(write_file(folder_ / "r.toml", "output = \"out.onnx\"\n[[step]]\npass = \"quantize\"\n").ok());
  for (const char* threads : {"1", "2", "5"}) {
    for (const std::vector<std::string>& args :
         {std::vector<std::string>{"quantize", "wide.onnx", "-o", "out.onnx", "--calib", "d.npz"},
          {"run", "r.toml", "wide.onnx", "--calib", "d.npz"}}) {
      std::vector<std::string> limited = args;
      limited.insert(limited.end(), {"--memory-limit", "60MB", "--threads", threads, "-q", "--json"});
      const ToolResult result = run(limited);
      EXPECT_EQ(result.exit_code, 5) << result.err;
      EXPECT_EQ(Json::parse(result.out)["error"]["message"], "out of memory: --memory-limit is 60.0 MB") << result.err;
      EXPECT_FALSE(fs::exists(folder_ / "out.onnx"));
      for (const std::string& name : folder_.names()) EXPECT_NE(name.substr(0, 11), ".edgesmith-") << name;
    }
  }
}

TEST_F(Limits, WhatMemoryIsEnoughForGivesTheSameModel) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizer itself takes more";
#endif
  const auto quantize = [&](const std::string& output, const std::vector<std::string>& more) {
    std::vector<std::string> args = {"quantize", "m.onnx", "-o", output, "--calib", "d.npz", "--threads", "2", "-q"};
    args.insert(args.end(), more.begin(), more.end());
    EXPECT_EQ(run(args).exit_code, 0);
    return *read_file(folder_ / output);
  };
  EXPECT_EQ(quantize("a.onnx", {"--memory-limit", "100MB"}), quantize("b.onnx", {}));
}

TEST_F(Limits, ALimitBelowWhatStartingTakesIsRefusedBeforeTheWork) {
  const std::vector<std::string> simplify = {"simplify", "m.onnx", "-o", "o.onnx", "-q"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), simplify.begin(), simplify.end());
    return more;
  };
  expect_error(with({"--memory-limit", "1kB", "--threads", "1"}), 5,
               "--memory-limit 1kB: starting on 1 thread takes 4.00 MB; raise it, or use fewer threads");
  expect_error(with({"--memory-limit", "10MB", "--threads", "16"}), 5,
               "--memory-limit 10MB: starting on 16 threads takes 130 MB; raise it, or use fewer threads");
  expect_error(with({"--memory-limit", "much"}), 2, "--memory-limit: 'much' is no size; write 2GiB, 512MB or bytes");
  EXPECT_FALSE(fs::exists(folder_ / "o.onnx"));
}

TEST_F(Limits, WhatWasAcceptedInTimeIsWrittenAndWhatWasNotIsCancelled) {
  write_data(folder_ / "e.npz", 50, 2);
  // Measures the original and what simplify makes at once, and then never comes back.
  ASSERT_TRUE(
      write_file(folder_ / "slow.sh", "echo >> calls; [ $(wc -l < calls) -le 2 ] || sleep 60; echo '{\"value\": 1}'\n")
          .ok());
  ASSERT_TRUE(write_file(folder_ / "r.toml",
                         "output = \"out.onnx\"\n[data]\ncalib = \"d.npz\"\neval = \"e.npz\"\n[gate]\n"
                         "metric_command = \"sh slow.sh\"\n[[step]]\npass = \"simplify\"\n"
                         "[[step]]\npass = \"quantize\"\n[[step]]\npass = \"simplify\"\n")
                  .ok());
  ASSERT_EQ(run({"simplify", "m.onnx", "-o", "simple.onnx", "-q"}).exit_code, 0);
  const auto limited = [&](const std::vector<std::string>& more) {
    std::vector<std::string> args = {"run", "r.toml", "m.onnx", "--time-limit", "3s", "--threads", "1", "-q", "--json"};
    fs::remove(folder_ / "calls");
    args.insert(args.end(), more.begin(), more.end());
    return run(args);
  };
  const ToolResult result = limited({});
  EXPECT_EQ(result.exit_code, 1) << result.err;
  const Json report = Json::parse(result.out);
  EXPECT_EQ(report["exit_code"], 1);
  EXPECT_EQ(report["verdict"], "quantize was cancelled: the time limit of 3 s was over before it was done");
  ASSERT_EQ(report["steps"].size(), 3u);
  EXPECT_EQ(report["steps"][0]["status"], "accepted");
  EXPECT_EQ(report["steps"][1]["status"], "cancelled");
  EXPECT_EQ(report["steps"][1]["kept"], false);
  EXPECT_EQ(report["steps"][2]["status"], "cancelled");
  EXPECT_EQ(report["steps"][2]["reason"], "the time limit of 3 s was over before it began");
  EXPECT_LT(report["seconds"].get<double>(), 20);
  EXPECT_EQ(*read_file(folder_ / "out.onnx"), *read_file(folder_ / "simple.onnx"));
  EXPECT_EQ(limited({"--force", "--allow-rollback"}).exit_code, 0);
  fs::remove(folder_ / "out.onnx");
  EXPECT_EQ(limited({"--on-fail", "fail", "--allow-rollback"}).exit_code, 1);
  EXPECT_FALSE(fs::exists(folder_ / "out.onnx"));
}

TEST_F(Limits, NothingIsWrittenWhenNothingWasAcceptedInTime) {
  write_data(folder_ / "many.npz", 1000000, 3);
  const ToolResult result = run({"quantize", "m.onnx", "-o", "out.onnx", "--calib", "many.npz", "--threads", "1",
                                 "--time-limit", "0.5s", "-q", "--json", "--events", "e.jsonl"});
  EXPECT_EQ(result.exit_code, 1) << result.err;
  std::istringstream events(*read_file(folder_ / "e.jsonl"));
  int open = 0;
  for (std::string line; std::getline(events, line);) {
    const std::string event = Json::parse(line)["event"];
    open += event == "begin" ? 1 : event == "end" ? -1 : 0;
  }
  EXPECT_EQ(open, 0) << "what was cut short ends, too: " << events.str();
  const Json report = Json::parse(result.out);
  EXPECT_EQ(report["steps"][0]["status"], "cancelled");
  EXPECT_EQ(report["output"], Json());
  EXPECT_FALSE(fs::exists(folder_ / "out.onnx"));
}

TEST_F(Limits, ATrainingEndsInTimeWithItsBest) {
  write_model(R"(graph @net(%x: f32[N,3]) -> (logits: f32[N,3]) {
  %w1 = constant random(seed=1) : f32[3,16]
  %w2 = constant random(seed=2) : f32[16,3]
  %h = mat_mul %x, %w1 : f32[N,16]
  %r = relu %h : f32[N,16]
  %y = mat_mul %r, %w2 : f32[N,3]
  return %y
}
)",
              folder_ / "net.onnx");
  ASSERT_TRUE(
      write_file(folder_ / "r.toml",
                 "output = \"out.onnx\"\n[data]\ntrain = \"d.npz\"\neval = \"e.npz\"\n[[step]]\npass = \"prune\"\n"
                 "sparsity = 0.5\nrepair = \"none\"\ncriterion = \"magnitude\"\n"
                 "[[step]]\npass = \"distill\"\nsteps = 100000000\n")
          .ok());
  write_data(folder_ / "e.npz", 50, 2);
  const Json report = json_of({"run", "r.toml", "net.onnx", "--time-limit", "3s", "--threads", "1"});
  EXPECT_EQ(report["steps"][1]["status"], "accepted") << report["steps"][1];
  EXPECT_NE(report["steps"][1]["notes"].dump().find("stopped by the time limit after"), std::string::npos);
  EXPECT_TRUE(report["steps"][1]["metric"].is_object()) << "it is judged";
  EXPECT_TRUE(fs::exists(folder_ / "out.onnx"));
}

TEST_F(Limits, ATimeLimitThatLeavesNoTimeToMeasureTheOriginalIsExitCode5) {
  write_data(folder_ / "many.npz", 1000000, 3);
  expect_error({"simplify", "m.onnx", "-o", "o.onnx", "--eval", "many.npz", "--time-limit", "0.01s", "-q"}, 5,
               "the time limit of 0.01 s was over before the original was measured; raise --time-limit");
  expect_error({"simplify", "m.onnx", "-o", "o.onnx", "--time-limit", "soon", "-q"}, 2,
               "--time-limit: 'soon' is no time; write 90s, 10m or 2h");
  EXPECT_FALSE(fs::exists(folder_ / "o.onnx"));
  EXPECT_EQ(run({"simplify", "m.onnx", "-o", "o.onnx", "--time-limit", "10m", "-q"}).exit_code, 0);
}

}  // namespace
}  // namespace edgesmith::testing
