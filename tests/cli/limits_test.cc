// SPDX-License-Identifier: Apache-2.0
// The contract of --memory-limit and --time-limit, of `run` and of the commands that are one pass.
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

}  // namespace
}  // namespace edgesmith::testing
