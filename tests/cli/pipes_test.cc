// SPDX-License-Identifier: Apache-2.0
// Models that come through a pipe and go into one.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>

#include "cli/tool_test.h"

namespace edgesmith::testing {
namespace {

class Pipes : public ToolTest {
 protected:
  void SetUp() override {
    write_model(kTinyModel, folder_ / "m.onnx");
    write_data(folder_ / "d.npz", 60, 1, 6);
  }
  /// The exit code of the shell's `line` in the folder; $E is the program.
  int shell(const std::string& line) {
    const std::string all =
        "cd '" + folder_.path() + "' && E=" EDGESMITH_BINARY " && export EDGESMITH_CACHE=off && " + line;
    const int status = std::system(all.c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  std::string text(const std::string& name) {
    auto content = read_file(folder_ / name);
    EXPECT_TRUE(content.ok()) << name;
    return content ? *content : "";
  }
};

TEST_F(Pipes, AModelFromAPipeIsTheSameModel) {
  ASSERT_EQ(shell("$E inspect m.onnx --json > a.json && cat m.onnx | $E inspect - --json > b.json"), 0);
  Json a = Json::parse(text("a.json")), b = Json::parse(text("b.json"));
  EXPECT_EQ(b["model"]["path"], "-");
  b["model"]["path"] = a["model"]["path"];
  EXPECT_EQ(a, b);
  EXPECT_EQ(shell("$E inspect - < m.onnx > /dev/null"), 0);
  EXPECT_EQ(shell("$E inspect - < /dev/null 2> err.txt"), 3);
  EXPECT_NE(text("err.txt").find("is empty"), std::string::npos);
}

TEST_F(Pipes, ModelsGoThroughChainsOfCommands) {
  ASSERT_EQ(shell("$E simplify m.onnx -o s.onnx -q && $E quantize s.onnx -o q.onnx --calib d.npz -q"), 0);
  ASSERT_EQ(shell("cat m.onnx | $E simplify - -o - 2> err.txt | tee s2.onnx | $E quantize - -o - --calib d.npz -q > "
                  "q2.onnx"),
            0);
  EXPECT_EQ(text("s2.onnx"), text("s.onnx"));
  EXPECT_EQ(text("q2.onnx").size(), text("q.onnx").size());
  EXPECT_NE(text("err.txt").find("simplify -\n"), std::string::npos) << "the summary goes to stderr";
  ASSERT_EQ(shell("$E pack - -o - -q < q.onnx | $E unpack - -o - -q > q3.onnx"), 0);
  EXPECT_EQ(text("q3.onnx"), text("q.onnx"));
}

TEST_F(Pipes, StandardOutputIsWrittenOnAndNotReplaced) {
  ASSERT_EQ(shell("$E simplify m.onnx -o s.onnx -q && $E simplify m.onnx -o /dev/stdout -q > out.onnx"), 0);
  EXPECT_EQ(text("out.onnx"), text("s.onnx"));
  EXPECT_EQ(shell("test -L /dev/stdout && ! test -e ./-"), 0);
}

TEST_F(Pipes, JsonAndAModelDoNotShareStandardOutput) {
  for (const std::vector<std::string>& args :
       {std::vector<std::string>{"simplify", "m.onnx"}, {"pack", "m.onnx"}, {"infer", "m.onnx", "--data", "d.npz"}}) {
    std::vector<std::string> all = args;
    all.insert(all.end(), {"-o", "-", "--json"});
    const ToolResult result = run(all);
    EXPECT_EQ(result.exit_code, 2);
    EXPECT_EQ(Json::parse(result.out)["error"]["kind"], "usage");
  }
}

}  // namespace
}  // namespace edgesmith::testing
