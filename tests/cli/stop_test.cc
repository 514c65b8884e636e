// SPDX-License-Identifier: Apache-2.0
// The contract of signals: a command that is told to stop does so soon, says so by its exit code, and leaves nothing
// behind.
#include <signal.h>

#include <chrono>
#include <fstream>
#include <string>
#include <thread>

#include "cli/tool_test.h"
#include "edgesmith/base/clock.h"

namespace edgesmith::testing {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

/// What a command may still take; a busy machine is forgiven most of it.
constexpr double kMostSeconds = 5;

/// Waits until `come`, or for half a minute.
template <typename Come>
void wait_for(const Come& come) {
  for (int i = 0; i < 3000 && !come(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
}

/// Whether the process has a handler for `signal`: before it has started, the system would deal with it.
bool handles(int pid, int signal) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("SigCgt:")) return (std::stoull(line.substr(7), nullptr, 16) >> (signal - 1) & 1) != 0;
  }
  return false;
}

class Stop : public ToolTest {
 protected:
  void SetUp() override { write_model(kTinyModel, folder_ / "m.onnx"); }

  /// A matrix of so many random numbers that packing, and looking at all of them, takes seconds.
  void write_large_model(const std::string& name) {
    constexpr int64_t kWidth = 3500;
    Random random(1);
    std::vector<float> numbers(static_cast<size_t>(kWidth * kWidth));
    for (float& number : numbers) number = static_cast<float>(random.uniform() - 0.5);
    ir::Graph graph;
    ir::Value& x = graph.add_input("x", ir::Type{ir::DType::f32, ir::Shape{ir::Dim(1), ir::Dim(kWidth)}});
    ir::Value& weight = graph.add_constant(ir::Tensor::of({kWidth, kWidth}, numbers), "w");
    graph.add_output("y", graph.append(ir::OpKind::mat_mul, {&x, &weight}).output());
    const auto written = onnx::export_file(graph, folder_ / name);
    ASSERT_TRUE(written.ok()) << written.error().text();
  }

  /// Runs `args`, sends `signal` once `begun`, and expects an end within kMostSeconds by `code`, with an error line
  /// that says `what`.
  template <typename Begun>
  void expect_stop(const std::vector<std::string>& args, int signal, int code, const std::string& what,
                   const Begun& begun, const std::map<std::string, std::string>& environment = {}) {
    Clock::time_point sent;
    ToolOptions options;
    options.environment = environment;
    options.while_running = [&](int pid) {
      wait_for([&] { return handles(pid, signal); });
      wait_for(begun);
      sent = Clock::now();
      kill(pid, signal);
    };
    const ToolResult result = run(args, options);
    EXPECT_LT(seconds_since(sent), kMostSeconds) << args[0];
    EXPECT_EQ(result.exit_code, code) << args[0] << ": " << result.err;
    EXPECT_NE(result.err.find(what), std::string::npos) << args[0] << ": " << result.err;
    EXPECT_EQ(result.out, "") << args[0];
    for (const std::string& name : folder_.names()) EXPECT_NE(name.substr(0, 11), ".edgesmith-") << name;
  }
};

TEST_F(Stop, CommandsThatLookAtEveryWeightWriteNothing) {
  write_large_model("large.onnx");
  ASSERT_EQ(run({"pack", "large.onnx", "-o", "large.esm", "-q"}).exit_code, 0);
  for (const std::vector<std::string>& args :
       std::vector<std::vector<std::string>>{{"pack", "large.onnx", "-o", "out", "-q"},
                                             {"unpack", "large.esm", "-o", "out.onnx", "-q"},
                                             {"inspect", "large.onnx", "-q"},
                                             {"share", "large.onnx", "-o", "out.onnx", "--repair", "none", "--codebook",
                                              "tensor", "--bits", "8", "-q"}}) {
    std::vector<std::string> alone = args;
    alone.insert(alone.end(), {"--threads", "1"});
    // They say nothing before they are done: this is longer than it takes to start, and shorter than the work.
    const auto begun = [] {
      std::this_thread::sleep_for(std::chrono::milliseconds(300));
      return true;
    };
    expect_stop(alone, SIGINT, 130, "interrupted", begun);
    EXPECT_FALSE(fs::exists(folder_ / "out"));
    EXPECT_FALSE(fs::exists(folder_ / "out.onnx"));
  }
}

TEST_F(Stop, ReduceSaysNothingOfAModelWhoseTrialWasEnded) {
  // It fails on the model itself, and takes for ever on the one that is written anew.
  const std::string command = "case {} in m.onnx) exit 1;; esac; touch begun; sleep 60";
  const auto begun = [&] { return fs::exists(folder_ / "begun"); };
  expect_stop({"reduce", "m.onnx", "-o", "out.onnx", "--command", command, "-q"}, SIGINT, 130,
              "interrupted while reducing", begun);
  const ToolResult late = run({"reduce", "m.onnx", "-o", "out.onnx", "--command", command, "--time-limit", "1s", "-q"});
  EXPECT_EQ(late.exit_code, 5) << late.err;
  EXPECT_NE(late.err.find("the time limit is over before the model itself was tried"), std::string::npos) << late.err;
}

TEST_F(Stop, SigtermEndsAMetricProgramAndItsFolder) {
  write_data(folder_ / "d.npz", 20, 1);
  fs::create_directory(folder_ / "tmp");
  const std::string program = "echo $$ > pid; touch begun; sleep 60; #";
  for (const auto& [signal, code] : {std::pair{SIGTERM, 143}, std::pair{SIGINT, 130}}) {
    const auto begun = [&] { return fs::exists(folder_ / "begun"); };
    expect_stop({"eval", "m.onnx", "--data", "d.npz", "--metric-command", program, "-q"}, signal, code,
                "interrupted in the metric program", begun, {{"TMPDIR", folder_ / "tmp"}});
    EXPECT_TRUE(fs::is_empty(folder_ / "tmp"));
    const pid_t pid = std::atoi(read_file(folder_ / "pid")->c_str());
    ASSERT_GT(pid, 0);
    EXPECT_NE(kill(pid, 0), 0) << "the program goes on";
    fs::remove(folder_ / "begun");
  }
}

TEST_F(Stop, SigtermIsExitCode143InTheJsonToo) {
  write_data(folder_ / "many.npz", 1000000, 3);
  ToolOptions options;
  options.while_running = [&](int pid) {
    wait_for([&] {
      const auto events = read_file(folder_ / "e.jsonl");
      return events.ok() && events->find("begin") != std::string::npos;
    });
    kill(pid, SIGTERM);
  };
  const ToolResult result = run(
      {"simplify", "m.onnx", "-o", "s.onnx", "--eval", "many.npz", "--events", "e.jsonl", "--threads", "1", "--json"},
      options);
  EXPECT_EQ(result.exit_code, 143) << result.err;
  const Json json = Json::parse(result.out);
  EXPECT_EQ(json["error"]["kind"], "interrupted");
  EXPECT_EQ(json["error"]["exit_code"], 143);
  EXPECT_FALSE(fs::exists(folder_ / "s.onnx"));
}

}  // namespace
}  // namespace edgesmith::testing
