// SPDX-License-Identifier: Apache-2.0
// `edgesmith completion`, run by the shells themselves.
#include <cstdlib>

#include "cli/tool_test.h"

namespace edgesmith::testing {
namespace {

class CliCompletion : public ToolTest {
 protected:
  /// What bash offers for the last of `words`.
  std::string offered(const std::string& words) {
    EXPECT_TRUE(write_file(folder_ / "completion.bash", run({"completion", "bash"}).out).ok());
    const std::string script =
        "cd '" + folder_.path() + "' && . ./completion.bash && COMP_WORDS=(edgesmith " + words +
        ") && COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _edgesmith; echo \"${COMPREPLY[*]}\" > answer";
    EXPECT_TRUE(write_file(folder_ / "script", script).ok());
    EXPECT_EQ(std::system(("bash '" + (folder_ / "script") + "'").c_str()), 0);
    return read_file(folder_ / "answer").value();
  }
};

TEST_F(CliCompletion, KnowsCommandsOptionsAndWords) {
  EXPECT_EQ(offered("qua"), "quantize\n");
  EXPECT_EQ(offered("quantize m.onnx --calibra"), "--calibrator\n");
  EXPECT_EQ(offered("quantize m.onnx --calibrator mi"), "minmax\n");
  EXPECT_EQ(offered("quantize m.onnx --calibrator = mi"), "minmax\n");
  EXPECT_EQ(offered("quantize m.onnx --target tensor"), "tensorrt-orin\n");
  for (const char* words : {"check m.onnx --target", "inspect m.onnx --target", "select m.onnx --target",
                            "eval m.onnx --targets", "quantize m.onnx --gate-targets"}) {
    EXPECT_EQ(offered(std::string(words) + " tensor"), "tensorrt-orin\n") << words;
  }
  EXPECT_EQ(offered("passes fuse-tr"), "fuse-transposes\n");
  EXPECT_EQ(offered("cache c"), "clear\n");
  EXPECT_EQ(offered("schema rec"), "recipe\n");
  EXPECT_EQ(offered("quantize --nothing-like-this"), "\n");
}

TEST_F(CliCompletion, WritesAScriptForZsh) {
  const ToolResult result = run({"completion", "zsh"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.out.find("#compdef edgesmith"), 0u);
  EXPECT_EQ(run({"completion", "fish"}).exit_code, 2);
  ASSERT_TRUE(write_file(folder_ / "_edgesmith", result.out).ok());
  if (std::system("zsh --version > /dev/null 2>&1") != 0) GTEST_SKIP() << "zsh is not installed";
  EXPECT_EQ(std::system(("zsh -n '" + (folder_ / "_edgesmith") + "'").c_str()), 0);
}

}  // namespace
}  // namespace edgesmith::testing
