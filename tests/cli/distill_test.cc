// SPDX-License-Identifier: Apache-2.0
// The command distill: exit codes, error lines, JSON, report, interruption.
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>

#include "cli/tool_test.h"
#include "edgesmith/data/arrays.h"

namespace edgesmith::testing {
namespace {

/// Scores of three numbers by way of hidden ones; the place of the largest number is the class.
constexpr const char* kTeacher = R"(graph @teacher(%x: f32[N,3]) -> (logits: f32[N,3]) {
  %w1 = constant {1, 0, 0, 0, 1, 0, 0, 0, 1} : f32[3,3]
  %w2 = constant {8, -4, -4, -4, 8, -4, -4, -4, 8} : f32[3,3]
  %h = mat_mul %x, %w1 : f32[N,3]
  %r = relu %h : f32[N,3]
  %y = mat_mul %r, %w2 : f32[N,3]
  return %y
}
)";

std::string student(const std::string& output = "logits") {
  return "graph @student(%x: f32[N,3]) -> (" + output + R"(: f32[N,3]) {
  %w1 = constant random(seed=4) : f32[3,16]
  %w2 = constant random(seed=5) : f32[16,3]
  %h = mat_mul %x, %w1 : f32[N,16] @"first"
  %r = relu %h : f32[N,16]
  %y = mat_mul %r, %w2 : f32[N,3]
  return %y
}
)";
}

class Distill : public ToolTest {
 protected:
  void SetUp() override {
    write_model(kTeacher, folder_ / "t.onnx");
    write_model(student(), folder_ / "s.onnx");
    write_data(folder_ / "train.npz", 300, 1);
    write_data(folder_ / "eval.npz", 200, 2);
  }
  std::vector<std::string> command(std::vector<std::string> more = {}) {
    std::vector<std::string> args = {"distill", "s.onnx",    "-o",   "o.onnx", "--teacher", "t.onnx",
                                     "--train", "train.npz", "--lr", "0.02",   "--epochs",  "30"};
    args.insert(args.end(), more.begin(), more.end());
    return args;
  }
};

TEST_F(Distill, ATrainingThatDivergesSaysWhyOnce) {
  const ToolResult result = run({"distill", "t.onnx", "-o", "o.onnx", "--teacher", "s.onnx", "--train", "train.npz",
                                 "--optimizer", "sgd", "--lr", "1000000", "--weight-decay", "1", "-q"});
  EXPECT_EQ(result.exit_code, 0) << "a step that is unchanged";
  const size_t first = result.err.find("is not a number");
  ASSERT_NE(first, std::string::npos) << result.err;
  EXPECT_EQ(result.err.find("is not a number", first + 1), std::string::npos) << result.err;
  EXPECT_TRUE(result.err.ends_with("edgesmith: warning: distill changed nothing\n")) << result.err;
}

TEST_F(Distill, TrainsAndReports) {
  const Json json = json_of(command({"--loss", "kl", "--eval", "eval.npz", "--report", "r"}));
  const Json& step = json["steps"][0];
  EXPECT_EQ(step["pass"], "distill");
  EXPECT_EQ(step["status"], "accepted");
  EXPECT_GT(step["metric"]["value"].get<double>(), 90);
  EXPECT_LT(step["metric"]["drop"].get<double>(), -20);
  ASSERT_EQ(step["curves"].size(), 3u);
  EXPECT_EQ(step["curves"][0]["name"], "held-out loss");
  EXPECT_EQ(step["curves"][2]["name"], "loss");
  EXPECT_EQ(step["curves"][0]["values"].size(), 31u);
  EXPECT_GT(step["measured"]["images_per_second"].get<double>(), 0);
  const auto page = read_file(folder_ / "r/report.html");
  ASSERT_TRUE(page.ok());
  EXPECT_NE(page->find("losses of distill"), std::string::npos);
  EXPECT_NE(page->find("agreement in distill"), std::string::npos);
}

TEST_F(Distill, SaysLossRateAndTimeLeft) {
  const ToolResult result = run(command({"--steps", "8"}));
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_NE(result.err.find("train to step 8 of 8: "), std::string::npos) << result.err;
  for (const char* part : {"  loss ", " samples/s, ", " left\n", "agreement "}) {
    EXPECT_NE(result.err.find(part), std::string::npos) << part << " in " << result.err;
  }
}

TEST_F(Distill, GivesTheSameFileForAnyNumberOfThreads) {
  ASSERT_EQ(run(command({"--threads", "1", "-q"})).exit_code, 0);
  const auto one = read_file(folder_ / "o.onnx");
  ASSERT_EQ(run(command({"--threads", "2", "-q", "--force"})).exit_code, 0);
  EXPECT_EQ(*read_file(folder_ / "o.onnx"), *one);
}

TEST_F(Distill, RepairsAgainstTheOriginalInARecipe) {
  ASSERT_TRUE(write_file(folder_ / "r.toml", R"(model = "s.onnx"
[data]
train = "train.npz"
[[step]]
pass = "prune"
sparsity = 0.5
repair = "none"
[[step]]
pass = "distill"
epochs = 10
)")
                  .ok());
  const Json json = json_of({"run", "r.toml", "-o", "out"});
  EXPECT_EQ(json["steps"][1]["status"], "accepted") << json["steps"][1].dump(1);
  EXPECT_EQ(json["steps"][1]["size"]["nonzero"], json["steps"][0]["size"]["nonzero"]);
  EXPECT_LT(json["steps"][1]["size"]["nonzero"], json["model"]["nonzero"]);
}

TEST_F(Distill, IsARepairOfOtherPasses) {
  const std::vector<std::string> prune = {"prune",      "s.onnx", "-o",      "p.onnx",
                                          "--sparsity", "0.9",    "--calib", "train.npz"};
  std::vector<std::string> more = prune;
  write_data(folder_ / "more.npz", 3000, 3);
  more.insert(more.end(), {"--repair", "distill", "--train", "more.npz", "--force"});
  EXPECT_EQ(json_of(prune)["steps"][0]["curves"].size(), 0u);
  const Json step = json_of(more)["steps"][0];
  ASSERT_EQ(step["curves"].size(), 3u);
  const auto losses = step["curves"][0]["values"].get<std::vector<double>>();
  EXPECT_LT(*std::min_element(losses.begin(), losses.end()), losses.front());
}

TEST_F(Distill, IsARepairOfSharedAndQuantizedWeights) {
  write_data(folder_ / "more.npz", 3000, 3);
  for (const std::vector<std::string>& pass : {std::vector<std::string>{"share", "--bits", "1"},
                                               {"quantize", "--weights", "int2"},
                                               {"quantize", "--weights", "int3", "--activations", "uint8"}}) {
    const auto with = [&](const std::string& repair) {
      std::vector<std::string> args = {pass[0],   "s.onnx",  "-o",        "p.onnx",
                                       "--force", "--calib", "train.npz", "--no-provenance"};
      args.insert(args.end(), pass.begin() + 1, pass.end());
      args.insert(args.end(), {"--train", "more.npz", "--repair", repair});
      return json_of(args);
    };
    const Json without = with("reconstruct"), json = with("distill");
    const Json& step = json["steps"][0];
    ASSERT_EQ(step["status"], "accepted") << step.dump(1);
    ASSERT_EQ(step["curves"].size(), 3u) << pass[0];
    const auto losses = step["curves"][0]["values"].get<std::vector<double>>();
    EXPECT_LT(*std::min_element(losses.begin(), losses.end()), losses.front()) << pass[0];
    EXPECT_EQ(json["output"]["bytes"], without["output"]["bytes"]) << pass[0];  // the form stays
  }
}

TEST_F(Distill, DerivesAStudent) {
  std::vector<std::string> args = command({"--student", "width=0.5"});
  args.erase(std::find(args.begin(), args.end(), "--teacher"), std::find(args.begin(), args.end(), "--train"));
  const Json json = json_of(args);
  EXPECT_EQ(json["steps"][0]["status"], "accepted");
  EXPECT_EQ(json["output"]["params"], 48);  // 8 of 16 hidden numbers
}

TEST_F(Distill, ReadsEveryRecipeOfTheRepository) {
  int count = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(EDGESMITH_SOURCE_DIR "/models")) {
    const std::string name = entry.path().filename().string();
    if (!name.ends_with(".toml") || name == "zoo.toml") continue;  // those are manifests
    if (name == "train.toml" || name == "test.toml") continue;     // those describe data
    std::vector<std::string> args = {"run", entry.path().string()};
    if (read_file(entry.path()).value().find("\nmodel") == std::string::npos) args.push_back("t.onnx");
    args.push_back("--print-recipe");
    const ToolResult result = run(args);
    EXPECT_EQ(result.exit_code, 0) << entry.path() << ": " << result.err;
    ++count;
  }
  EXPECT_GE(count, 7);
}

TEST_F(Distill, SaysWhatIsMissing) {
  expect_error({"distill", "s.onnx", "-o", "o.onnx", "--teacher", "t.onnx"}, 2,
               "distill needs training data; give some with --train");
  expect_error(
      {"distill", "s.onnx", "-o", "o.onnx", "--train", "train.npz", "-q"}, 2,
      "s.onnx: the student is its own teacher: no step before distill changed what it answers; name another model with "
      "--teacher");
  expect_error({"distill", "s.onnx", "-o", "o.onnx", "--train", "train.npz", "--teacher", "none.onnx", "-q"}, 5,
               "none.onnx: cannot open: No such file or directory; check the path");
  expect_error(command({"--loss", "cross-entropy", "--labels", "none", "-q"}), 2,
               "s.onnx: a loss needs labels, the training data have none; name them with --labels, or use a loss that "
               "needs none: "
               "kl or mse");
  expect_error(command({"--batch", "1000", "-q"}), 2,
               "s.onnx: a batch of 1000 is larger than the 270 samples that are trained on (30 are held out); use "
               "--batch 270 or "
               "fewer");
  EXPECT_EQ(folder_.names().size(), 4u);
}

TEST_F(Distill, IsHeldAgainstItsTeacherWhereThereAreNoLabels) {
  const Json json = json_of(command({"--eval", "eval.npz", "--labels", "none", "--max-drop", "1"}));
  EXPECT_EQ(json["steps"][0]["status"], "accepted") << json["steps"][0];
  EXPECT_LT(json["baseline"]["value"].get<double>(), 90) << "of the student with the teacher";
  EXPECT_GT(json["output"]["metric"]["value"].get<double>(), json["baseline"]["value"].get<double>());
  const Json compared = json_of({"compare", "t.onnx", "o.onnx", "--data", "eval.npz", "--labels", "none"});
  EXPECT_EQ(json["output"]["metric"]["value"], compared["agreement"]);
}

TEST_F(Distill, RefusesOptionsThatDoNothing) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> useless = {
      {{"--code-bits", "2"}, "code_bits is what entropy does not count; give --entropy with it"},
      {{"--feature-weight", "3"}, "feature_weight is the weight of features; name some with --feature"},
      {{"--augment-holdout"}, "augment_holdout is about augmentation; say what is done with --augment"},
      {{"--temperature", "2"}, "temperature is for the loss kl; leave it out, or give --loss kl"},
      {{"--loss", "cross-entropy", "--mirror-teacher"},
       "mirror_teacher does nothing: cross-entropy learns from labels; add --loss kl"},
      {{"--lr", "0"}, "lr 0 changes no weight; give one above 0, or leave it out"},
  };
  for (const auto& [options, error] : useless) {
    std::vector<std::string> args = {"distill", "s.onnx", "-o", "o.onnx", "--train", "train.npz", "-q"};
    args.insert(args.end(), options.begin(), options.end());
    expect_error(args, 2, error);
  }
}

TEST_F(Distill, FeedsATeacherByTheNamesOfItsInputs) {
  const auto model = [&](const std::string& inputs, const std::string& name) {
    write_model("graph @g(" + inputs + R"() -> (y) {
  %w = constant random(seed=1) : f32[3,3]
  %h = mat_mul %left, %w
  %y = sub %h, %right
  return %y
}
)",
                folder_ / name);
  };
  model("%left: f32[N,3], %right: f32[N,3]", "s.onnx");
  model("%right: f32[N,3], %left: f32[N,3]", "t.onnx");
  std::vector<float> left, right;
  for (int i = 0; i < 120; ++i) {
    left.push_back(static_cast<float>(i % 7));
    right.push_back(static_cast<float>(i % 5));
  }
  const std::vector<data::NamedArray> arrays = {{"left", ir::Tensor::of<float>({40, 3}, left)},
                                                {"right", ir::Tensor::of<float>({40, 3}, right)}};
  ASSERT_TRUE(data::write_npz(folder_ / "train.npz", arrays).ok());
  const ToolResult result = run(command({"-q", "--force"}));
  EXPECT_NE(result.err.find("there is nothing to learn"), std::string::npos) << result.err;
  const Json json = json_of({"compare", "s.onnx", "t.onnx", "--data", "train.npz"});
  EXPECT_EQ(json["agreement"], 100.0) << json.dump(2);
}

TEST_F(Distill, LearnsFromTwoTeachers) {
  write_model(student(), folder_ / "u.onnx");
  const auto made = [&](const std::vector<std::string>& more) {
    const ToolResult result = run(command(more));
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return read_file(folder_ / "o.onnx").value();
  };
  const auto alone = made({"-q", "--force"}), with = made({"-q", "--force", "--second-teacher", "u.onnx"});
  EXPECT_NE(alone, with);
  expect_error(command({"-q", "--force", "--mirror-teacher"}), 2,
               "s.onnx: mirror_teacher: the model takes f32[1,3], no pictures; leave it out");
  expect_error(command({"-q", "--force", "--second-teacher", "none.onnx"}), 5,
               "none.onnx: cannot open: No such file or directory; check the path");
}

TEST_F(Distill, SaysHowToMapOutputs) {
  write_model(student("a"), folder_ / "s.onnx");
  write_model(R"(graph @two(%x: f32[N,3]) -> (b, c) {
  %b = relu %x
  %c = neg %x
  return %b, %c
}
)",
              folder_ / "t.onnx");
  expect_error(
      command({"-q"}), 2,
      "s.onnx: output 'a' of the student has no counterpart among the teacher's (b, c); map it with --match a=NAME");
  EXPECT_EQ(run(command({"--match", "a=b", "-q"})).exit_code, 0);
}

TEST_F(Distill, WarnsWhereNothingIsBetter) {
  const ToolResult result =
      run({"distill", "s.onnx", "-o", "o.onnx", "--teacher", "t.onnx", "--train", "train.npz", "--lr", "1e-30", "-q"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_NE(result.err.find("distill changed nothing: no weights did better on the 30 held-out samples"),
            std::string::npos)
      << result.err;
}

TEST_F(Distill, StopsInOrderWhenInterruptedAndGoesOnToTheSameFile) {
  const std::vector<std::string> endless = {"--steps", "4000", "--checkpoint", "c.npz", "--threads", "1"};
  ToolOptions options;
  options.while_running = [&](int pid) {
    for (int i = 0; i < 3000; ++i) {  // wait for the second judgement
      const auto events = read_file(folder_ / "e.jsonl");
      if (events.ok() && events->find("\"what\":\"train to step 8 of") != std::string::npos) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    kill(pid, SIGINT);
  };
  std::vector<std::string> args = endless;
  args.insert(args.end(), {"--events", "e.jsonl"});
  const ToolResult result = run(command(args), options);
  EXPECT_EQ(result.exit_code, 130) << result.err;
  EXPECT_NE(result.err.find("interrupted in distill; the best weights so far are in o.onnx"), std::string::npos)
      << result.err;
  EXPECT_TRUE(std::filesystem::exists(folder_ / "o.onnx"));
  ASSERT_TRUE(std::filesystem::exists(folder_ / "c.npz"));
  ASSERT_EQ(run(command({"--steps", "4000", "--resume", "c.npz", "-q", "--force"})).exit_code, 0);
  const auto resumed = read_file(folder_ / "o.onnx");
  ASSERT_EQ(run(command({"--steps", "4000", "-q", "--force"})).exit_code, 0);
  EXPECT_EQ(*read_file(folder_ / "o.onnx"), *resumed);
  const ToolResult other = run(command({"--steps", "4000", "--seed", "1", "--resume", "c.npz", "-q", "--force"}));
  EXPECT_EQ(other.exit_code, 2);
  EXPECT_NE(other.err.find("is a checkpoint of another training"), std::string::npos) << other.err;
}

}  // namespace
}  // namespace edgesmith::testing
