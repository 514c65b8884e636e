// SPDX-License-Identifier: Apache-2.0
// Nothing of the user's is written over unasked, and what cannot be written is said before the work.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "cli/tool_test.h"
#include "edgesmith/data/arrays.h"

namespace edgesmith::testing {
namespace {

namespace fs = std::filesystem;

/// Has something to learn from kTinyModel.
constexpr const char* kStudent = R"(graph @student(%x: f32[N,3]) -> (logits: f32[N,3]) {
  %w = constant random(seed=4) : f32[3,3]
  %y = mat_mul %x, %w : f32[N,3]
  return %y
}
)";

constexpr const char* kWider = R"(graph @wider(%x: f32[N,4]) -> (logits: f32[N,3]) {
  %w = constant random(seed=3) : f32[4,3]
  %y = mat_mul %x, %w : f32[N,3]
  return %y
}
)";

class Overwrite : public ToolTest {
 protected:
  void SetUp() override {
    write_model(kStudent, folder_ / "m.onnx");
    write_model(kTinyModel, folder_ / "t.onnx");
    write_data(folder_ / "d.npz", 60, 1, 6);
    put("notes.txt", "mine");
  }
  void put(const std::string& name, const std::string& text) { ASSERT_TRUE(write_file(folder_ / name, text).ok()); }
  std::string get(const std::string& name) { return *read_file(folder_ / name); }
  std::vector<std::string> distill(const std::vector<std::string>& more) {
    std::vector<std::string> args = {"distill", "m.onnx", "-o",      "o.onnx", "--teacher", "t.onnx",
                                     "--train", "d.npz",  "--steps", "4",      "-q",        "--force"};
    args.insert(args.end(), more.begin(), more.end());
    return args;
  }
  /// Runs a command that ends in an error, and expects every file to be what it was.
  void expect_kept(const std::vector<std::string>& args, int code, const std::string& line) {
    std::map<std::string, std::string> before;
    for (const std::string& name : folder_.names()) {
      if (fs::is_regular_file(folder_ / name)) before[name] = get(name);
    }
    expect_error(args, code, line);
    for (const auto& [name, text] : before) EXPECT_EQ(get(name), text) << name;
    EXPECT_EQ(fs::exists(folder_ / "o.onnx"), before.count("o.onnx") > 0);
  }
};

TEST_F(Overwrite, ACheckpointReplacesACheckpointAndNothingElse) {
  for (const char* input : {"m.onnx", "t.onnx", "d.npz"}) {
    expect_kept(distill({"--checkpoint", input}), 2,
                std::string(input) + ": is read by the run; name another file for --checkpoint");
  }
  write_model(kTinyModel, folder_ / "u.onnx");
  expect_kept(distill({"--second-teacher", "u.onnx", "--checkpoint", "u.onnx"}), 2,
              "u.onnx: is read by the run; name another file for --checkpoint");
  expect_kept(distill({"--checkpoint", "notes.txt"}), 2,
              "notes.txt: exists already, and holds no checkpoint; name another file for --checkpoint");
  write_data(folder_ / "other.npz", 5, 9);
  expect_kept(distill({"--checkpoint", "other.npz"}), 2,
              "other.npz: exists already, and holds no checkpoint; name another file for --checkpoint");
  expect_kept(distill({"--checkpoint", "./o.onnx"}), 2,
              "./o.onnx: is the output, too; name another file for --checkpoint");
  EXPECT_EQ(run(distill({"--checkpoint", "c.npz", "--no-cache", "--lr", "0.01"})).exit_code, 0);
  ASSERT_TRUE(fs::exists(folder_ / "c.npz"));
  const ToolResult again = run(distill({"--checkpoint", "c.npz", "--resume", "c.npz", "--lr", "0.01"}));
  EXPECT_EQ(again.exit_code, 0) << again.err;
}

TEST_F(Overwrite, WhatIsResumedIsACheckpoint) {
  expect_kept(distill({"--resume", "notes.txt"}), 3,
              "notes.txt: is no checkpoint of a training; name a file that --checkpoint wrote");
  ASSERT_EQ(run(distill({"--checkpoint", "c.npz", "--no-cache", "--lr", "0.01"})).exit_code, 0);
  put("cut.npz", get("c.npz").substr(0, get("c.npz").size() / 2));
  const ToolResult cut = run(distill({"--resume", "cut.npz", "--lr", "0.01"}));
  EXPECT_EQ(cut.exit_code, 3);
  EXPECT_NE(cut.err.find("cut.npz: is a damaged checkpoint; start without --resume"), std::string::npos) << cut.err;
}

TEST_F(Overwrite, ATeacherOfAnotherShapeIsNamedBeforeTheWork) {
  write_model(kWider, folder_ / "w.onnx");
  const std::string takes =
      "w.onnx: this teacher takes f32[N,4] as 'x', the student f32[N,3]; "
      "name a teacher that takes what the student takes";
  expect_kept({"distill", "m.onnx", "-o", "o.onnx", "--teacher", "w.onnx", "--train", "d.npz"}, 3, takes);
  expect_kept(distill({"--second-teacher", "w.onnx"}), 3, takes);
}

TEST_F(Overwrite, JUnitReplacesJUnitAndNothingElse) {
  ASSERT_EQ(run({"simplify", "m.onnx", "-o", "a.onnx", "--report", "a", "-q"}).exit_code, 0);
  ASSERT_EQ(run({"simplify", "m.onnx", "-o", "b.onnx", "--report", "b", "-q"}).exit_code, 0);
  const std::string report = get("a/report.json");
  expect_error({"report", "diff", "a", "b", "--junit", "a/report.json"}, 2,
               "a/report.json: the output is the input; name another file");
  EXPECT_EQ(get("a/report.json"), report);
  expect_kept({"report", "diff", "a", "b", "--junit", "notes.txt"}, 2,
              "notes.txt: exists already, and is no JUnit XML; name another file for --junit");
  expect_kept({"report", "diff", "a", "b", "--junit", "m.onnx"}, 2,
              "m.onnx: exists already, and is no JUnit XML; name another file for --junit");
  EXPECT_EQ(run({"report", "diff", "a", "b", "--junit", "j.xml"}).exit_code, 0);
  EXPECT_EQ(run({"report", "diff", "a", "b", "--junit", "j.xml"}).exit_code, 0);
}

TEST_F(Overwrite, AReportReplacesAReportAndNothingElse) {
  fs::create_directory(folder_ / "r");
  put("r/report.json", R"({"coverage": 80})");
  const std::string line =
      "r/report.json: exists already, and is no report of edgesmith; "
      "name another folder for the report";
  expect_error({"simplify", "m.onnx", "-o", "o.onnx", "--report", "r"}, 2, line);
  expect_error({"eval", "m.onnx", "--data", "d.npz", "--report", "r"}, 2, line);
  EXPECT_EQ(get("r/report.json"), R"({"coverage": 80})");
  fs::remove(folder_ / "r/report.json");
  put("r/report.html", "<html>mine</html>");
  expect_error({"eval", "m.onnx", "--data", "d.npz", "--report", "r"}, 2,
               "r/report.html: exists already, and is no report of edgesmith; name another folder for the report");
  EXPECT_EQ(get("r/report.html"), "<html>mine</html>");
  for (int i = 0; i < 2; ++i) EXPECT_EQ(run({"eval", "m.onnx", "--data", "d.npz", "--report", "s"}).exit_code, 0);
  EXPECT_EQ(run({"simplify", "m.onnx", "-o", "o.onnx", "--report", "s"}).exit_code, 0);  // of another command
}

// /proc takes no files, not even the superuser's.
TEST_F(Overwrite, WhatCannotBeWrittenIsSaidBeforeTheWork) {
  if (!fs::exists("/proc/self")) GTEST_SKIP() << "no /proc here";
  const std::string why = ": cannot create: No such file or directory; check the path";
  expect_kept({"quantize", "m.onnx", "-o", "/proc/x.onnx", "--calib", "missing.npz"}, 5, "/proc/x.onnx" + why);
  expect_kept(distill({"--checkpoint", "/proc/c.npz"}), 5, "/proc/c.npz" + why);
  expect_kept({"infer", "m.onnx", "--data", "d.npz", "-o", "/proc/x.npz"}, 5, "/proc/x.npz" + why);
  expect_kept({"eval", "m.onnx", "--data", "d.npz", "--report", "/proc"}, 5, "/proc/report.json" + why);
  expect_kept(distill({"--checkpoint", "none/c.npz"}), 5, "none/c.npz: its folder does not exist; create none first");
}

TEST_F(Overwrite, ALinkToNothingIsSomething) {
  fs::create_symlink("nowhere", folder_ / "link.onnx");
  expect_kept({"simplify", "m.onnx", "-o", "link.onnx"}, 2,
              "link.onnx: exists already; name another file, or add --force to overwrite it");
  EXPECT_TRUE(fs::is_symlink(folder_ / "link.onnx"));
}

TEST_F(Overwrite, AFileThatComesDuringARunIsKept) {
  ToolOptions options;
  const auto put_late = [&](int) {
    for (int i = 0; i < 3000; ++i) {  // it trains: what is checked before the work has been
      const auto events = read_file(folder_ / "e.jsonl");
      if (events.ok() && events->find("train to step") != std::string::npos) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    put("late.onnx", "mine");
  };
  options.while_running = put_late;
  const std::vector<std::string> args = {"distill", "m.onnx",     "-o",       "late.onnx", "--teacher", "t.onnx",
                                         "--train", "d.npz",      "--steps",  "3000",      "--threads", "1",
                                         "-q",      "--no-cache", "--events", "e.jsonl"};
  const ToolResult result = run(args, options);
  EXPECT_EQ(result.exit_code, 2) << result.err;
  EXPECT_NE(result.err.find("late.onnx: exists already: it came during the run; the result is in late-2.onnx"),
            std::string::npos)
      << result.err;
  EXPECT_EQ(get("late.onnx"), "mine");
  EXPECT_EQ(run({"eval", "late-2.onnx", "--data", "d.npz", "-q"}).exit_code, 0);  // hours of work are not lost either
}

TEST_F(Overwrite, TwoRunsDoNotMixTheirFilesInOneFolder) {
  put("r.toml", "model = \"m.onnx\"\n[[step]]\npass = \"simplify\"\n");
  fs::create_directory(folder_ / "out");
  const int other = ::open((folder_ / "out").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  ASSERT_EQ(::flock(other, LOCK_EX), 0);
  expect_error({"run", "r.toml", "-o", "out", "-q"}, 5,
               "out: another run is writing into this folder; wait for its end, or name another folder");
  EXPECT_TRUE(fs::is_empty(folder_ / "out"));
  ::close(other);
  EXPECT_EQ(run({"run", "r.toml", "-o", "out", "-q"}).exit_code, 0);
  EXPECT_EQ(run({"run", "r.toml", "-o", "out", "-q", "--force"}).exit_code, 0);
}

TEST_F(Overwrite, SavedInputsReplaceNoDescription) {
  put("x.toml", "mine");
  expect_kept({"bench", "m.onnx", "--runs", "1", "--save-input", "x.npz"}, 2,
              "x.toml: exists already; name another file, or add --force to overwrite it");
  EXPECT_FALSE(fs::exists(folder_ / "x.npz"));
}

}  // namespace
}  // namespace edgesmith::testing
