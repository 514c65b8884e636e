// SPDX-License-Identifier: Apache-2.0
// `edgesmith reduce` as a user runs it.
#include <gtest/gtest.h>

#include <filesystem>

#include "cli/tool_test.h"
#include "edgesmith/onnx/import.h"

namespace edgesmith::testing {
namespace {

constexpr const char* kLong = R"(graph @long(%x: f32[N,3]) -> (y: f32[N,3], z: f32[N,3]) {
  %w = constant {0.5, 0.25, 0.125, 1, 2, 3, 4, 5, 6} : f32[3,3]
  %a = relu %x : f32[N,3]
  %b = mat_mul %a, %w : f32[N,3]
  %c = tanh %b : f32[N,3]
  %d = softplus %c : f32[N,3]
  %e = sigmoid %d : f32[N,3]
  %f = exp %e : f32[N,3]
  return %f, %a
}
)";

class ReduceTool : public ToolTest {
 protected:
  void SetUp() override { write_model(kLong, folder_ / "m.onnx"); }

  std::vector<std::string> operators(const std::string& model) {
    std::vector<std::string> names;
    const auto graph = onnx::import_file(folder_ / model);
    EXPECT_TRUE(graph.ok()) << graph.error().text();
    if (!graph.ok()) return names;
    for (const ir::Node& node : graph->nodes()) {
      if (node.op() > ir::OpKind::opaque) names.emplace_back(ir::onnx_name(node.op()));
    }
    return names;
  }
};

TEST_F(ReduceTool, FindsTheOperatorThatACommandFailsOn) {
  const Json result = json_of({"reduce", "m.onnx", "-o", "small.onnx", "--command", "! grep -q Softplus {}"});
  EXPECT_EQ(result["schema"], "edgesmith.reduce/1");
  EXPECT_EQ(result["model"]["nodes"], 6);
  EXPECT_EQ(result["output"]["nodes"], 1);
  EXPECT_EQ(result["complete"], true);
  EXPECT_EQ(operators("small.onnx"), std::vector<std::string>{"Softplus"});
  const std::string once = *read_file(folder_ / "small.onnx");
  json_of({"reduce", "m.onnx", "-o", "small.onnx", "--force", "--command", "! grep -q Softplus {}"});
  EXPECT_EQ(*read_file(folder_ / "small.onnx"), once);
}

TEST_F(ReduceTool, AsksForTheSameExitCodeAndMessage) {
  // Models with Softplus fail with 3, others with 4; what is said tells Exp from the rest.
  const std::string command = "grep -q Exp {} && echo bad exp; grep -q Softplus {} && exit 3; exit 4";
  json_of({"reduce", "m.onnx", "-o", "a.onnx", "--command", command});
  EXPECT_EQ(operators("a.onnx"), std::vector<std::string>{"Softplus"});
  json_of({"reduce", "m.onnx", "-o", "b.onnx", "--command", command, "--message", "bad exp"});
  const std::vector<std::string> both = operators("b.onnx");
  EXPECT_EQ(both.size(), 2u);
  EXPECT_NE(std::find(both.begin(), both.end(), "Exp"), both.end());
}

TEST_F(ReduceTool, FindsWhatChangesOutputs) {
  // "Optimizes" by making every Sigmoid a Softmax: names of seven letters both.
  json_of({"reduce", "m.onnx", "-o", "small.onnx", "--differs", "sed s/Sigmoid/Softmax/ {} > {out}"});
  EXPECT_EQ(operators("small.onnx"), std::vector<std::string>{"Sigmoid"});
}

TEST_F(ReduceTool, MakesAModelThatCanBeShared) {
  const Json result =
      json_of({"reduce", "m.onnx", "-o", "small.onnx", "--random-weights", "--command", "! grep -q MatMul {}"});
  EXPECT_EQ(result["kept_weights"], Json::array());
  const auto graph = onnx::import_file(folder_ / "small.onnx");
  ASSERT_TRUE(graph.ok());
  for (const ir::Node& node : graph->nodes()) {
    if (node.is(ir::OpKind::constant)) {
      EXPECT_NE(node.tensor().to_floats()[0], 0.5f);
    }
  }
}

TEST_F(ReduceTool, EndsCommandsThatHangAtTheTimeLimit) {
  const Json result = json_of({"reduce", "m.onnx", "-o", "small.onnx", "--time-limit", "1s", "--command",
                               "grep -q Exp {} && exit 1; sleep 60"});
  EXPECT_EQ(result["complete"], false);
  const ToolResult hangs =
      run({"reduce", "m.onnx", "-o", "none.onnx", "--time-limit", "0.2s", "--command", "sleep 60; echo {}"});
  EXPECT_EQ(hangs.exit_code, 5) << hangs.err;
}

TEST_F(ReduceTool, PathsAreOneWordOfTheShell) {
  const std::string name = "it's a $(touch hit).onnx";
  std::filesystem::rename(folder_ / "m.onnx", folder_ / name);
  const ToolResult result = run({"reduce", name, "-o", "small.onnx", "--command", "! grep -q Softplus {}"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_FALSE(std::filesystem::exists(folder_ / "hit"));
}

TEST_F(ReduceTool, RefusesWhatThereIsNothingToDoFor) {
  const auto refused = [&](std::vector<std::string> args, int code, const std::string& what) {
    args.insert(args.begin(), {"reduce", "m.onnx"});
    const ToolResult result = run(args);
    EXPECT_EQ(result.exit_code, code) << result.err;
    EXPECT_NE(result.err.find(what), std::string::npos) << result.err;
    EXPECT_FALSE(std::filesystem::exists(folder_ / "o.onnx"));
  };
  refused({"-o", "o.onnx"}, 2, "one of --command and --differs");
  refused({"--command", "false {}"}, 2, "no output given");
  refused({"-o", "o.onnx", "--command", "false"}, 2, "has no {}");
  refused({"-o", "o.onnx", "--differs", "cp {} x"}, 2, "has no {out}");
  refused({"-o", "o.onnx", "--command", "true {}"}, 2, "succeeds on m.onnx");
  refused({"-o", "o.onnx", "--command", "no-such-program {}"}, 2, "cannot be run");
  refused({"-o", "o.onnx", "--command", "false {}", "--message", "hello"}, 2,
          "'hello' is not in what the command says");
  refused({"-o", "o.onnx", "--differs", "cp {} {out}"}, 2, "within the tolerance");
  refused({"-o", "o.onnx", "--command", "false {}", "--time-limit", "soon"}, 2, "'soon' is no time");
  refused({"-o", "m.onnx", "--force", "--command", "false {}"}, 2, "is the input");
  // The failure is about the file: its name.
  refused({"-o", "o.onnx", "--command", "case {} in m.onnx) exit 1;; esac"}, 4, "gone once the model is written anew");
}

}  // namespace
}  // namespace edgesmith::testing
