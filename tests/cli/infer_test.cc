// SPDX-License-Identifier: Apache-2.0
// What `infer` prints of the answers.
#include <filesystem>

#include "cli/tool_test.h"

namespace edgesmith::testing {
namespace {

namespace fs = std::filesystem;

class CliInfer : public ToolTest {
 protected:
  void SetUp() override { write_model(kTinyModel, folder_ / "m.onnx"); }

  /// Three numbers a sample, which the model gives back where they are not negative.
  void write_rows(const std::string& name, const std::vector<float>& rows) {
    const auto count = static_cast<int64_t>(rows.size()) / 3;
    write_array(name, ir::Tensor::of<float>({count, 3}, rows));
  }
  void write_array(const std::string& name, ir::Tensor tensor) {
    const data::NamedArray array = {"x", std::move(tensor)};
    ASSERT_TRUE(data::write_npz(folder_ / name, std::span(&array, 1)).ok());
  }
};

TEST_F(CliInfer, PrintsFewNumbersAsTheyAre) {
  write_rows("d.npz", {0.25f, 1, 0, 3, 2, 1});
  const ToolResult result = run({"infer", "m.onnx", "--data", "d.npz"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, "d.npz[0]: 0.25, 1, 0\nd.npz[1]: 3, 2, 1\n");
  EXPECT_EQ(run({"infer", "m.onnx", "--data", "d.npz", "-q"}).out, result.out) << "what only measures still answers";
  EXPECT_EQ(run({"infer", "m.onnx", "--data", "d.npz", "-q", "-o", "a.npz"}).out, "");
}

TEST_F(CliInfer, SaysHowManyMoreThereAre) {
  write_rows("d.npz", {0.25f, 1, 0, 3, 2, 1});
  EXPECT_EQ(run({"infer", "m.onnx", "--data", "d.npz", "--show", "1"}).out,
            "d.npz[0]: 0.25, 1, 0\nand 1 more sample; --show N prints more, -o OUT.npz writes all of them\n");
  const std::string written = run({"infer", "m.onnx", "--data", "d.npz", "--show", "0", "-o", "a.npz"}).out;
  EXPECT_TRUE(written.starts_with("a.npz: 2 samples\n  logits f32[2,3]\n")) << written;
}

TEST_F(CliInfer, NamesTheClassesOfAFile) {
  write_rows("d.npz", {0.25f, 1, 0});
  for (const auto& [file, text] : {std::pair{"names.txt", "cat\ndog\r\nfrog\n"},
                                   std::pair{"names.csv", "label,wnid,name\n1,n2,dog\n0,n1,cat\n2,n3,frog\n"}}) {
    ASSERT_TRUE(write_file(folder_ / file, text).ok());
    EXPECT_EQ(run({"infer", "m.onnx", "--data", "d.npz", "--classes", file}).out,
              "d.npz[0]: dog 1, cat 0.25, frog 0\n");
    const Json answers = json_of({"infer", "m.onnx", "--data", "d.npz", "--classes", file})["answers"];
    EXPECT_EQ(answers.dump(), R"([{"outputs":{"logits":{"shape":[1,3],"top":[{"class":1,"name":"dog","value":1.0},)"
                              R"({"class":0,"name":"cat","value":0.25},{"class":2,"name":"frog","value":0.0}]}},)"
                              R"("sample":"d.npz[0]"}])");
  }
  ASSERT_TRUE(write_file(folder_ / "bad.csv", "label,name\nx,cat\n").ok());
  expect_error({"infer", "m.onnx", "--data", "d.npz", "--classes", "bad.csv"}, 3,
               "bad.csv: line 2: no label from 0 to 1000000 with a name");
  for (const auto& [text, count] : {std::pair{"cat\ndog\n\n", "2 names"}, std::pair{"a\nb\nc\nd\n", "4 names"}}) {
    ASSERT_TRUE(write_file(folder_ / "other.txt", text).ok());
    expect_error({"infer", "m.onnx", "--data", "d.npz", "--classes", "other.txt", "-o", "a.npz", "-q"}, 3,
                 std::string("other.txt: has ") + count +
                     ", output 'logits' has 3 classes; name every class, or leave --classes out");
    EXPECT_FALSE(std::filesystem::exists(folder_ / "a.npz"));
  }
}

// Folder names are the classes, and the right one is told.
TEST_F(CliInfer, NamesTheClassesOfFolders) {
  for (const char* name : {"cat", "dog", "frog"}) fs::create_directories(folder_ / (std::string("pets/") + name));
  write_array("pets/dog/a.npz", ir::Tensor::of<float>({3}, std::vector<float>{1, 0, 0.5f}));
  write_array("pets/frog/b.npz", ir::Tensor::of<float>({3}, std::vector<float>{1, 0, 2}));
  write_array("pets/cat/c.npz", ir::Tensor::of<float>({3}, std::vector<float>{7, 0, 0}));
  const ToolResult result = run({"infer", "m.onnx", "--data", "pets"});
  EXPECT_EQ(result.out,
            "pets/cat/c.npz (label cat): cat 7, dog 0, frog 0\n"
            "pets/dog/a.npz (label dog): cat 1, frog 0.5, dog 0\n"
            "pets/frog/b.npz (label frog): frog 2, cat 1, dog 0\n")
      << result.err;
  ASSERT_TRUE(write_file(folder_ / "pets.toml", "path = \"pets\"\n").ok());
  EXPECT_EQ(run({"infer", "m.onnx", "--data", "pets.toml"}).out, result.out);
}

// Labels are ranks: without a folder those behind it are of other classes, and the number means nothing.
TEST_F(CliInfer, AsAllThatTakeLabelsSaysWhenAFolderIsMissing) {
  for (const char* name : {"cat", "frog"}) fs::create_directories(folder_ / (std::string("pets/") + name));
  write_array("pets/cat/c.npz", ir::Tensor::of<float>({3}, std::vector<float>{7, 0, 0}));
  write_array("pets/frog/b.npz", ir::Tensor::of<float>({3}, std::vector<float>{1, 0, 2}));
  const std::string fewer = "pets: has 2 folders, output 'logits' has 3 classes: ";
  const std::vector<std::vector<std::string>> commands = {{"infer", "m.onnx", "--data", "pets"},
                                                          {"eval", "m.onnx", "--data", "pets"},
                                                          {"compare", "m.onnx", "m.onnx", "--data", "pets"},
                                                          {"simplify", "m.onnx", "-o", "o.onnx", "--eval", "pets"}};
  for (const auto& command : commands) {
    const ToolResult result = run(command);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_NE(result.err.find(fewer), std::string::npos) << command[0] << ": " << result.err;
    EXPECT_EQ(result.err.find(fewer), result.err.rfind(fewer)) << command[0] << " says it once";
  }
  const ToolResult calibrated = run({"quantize", "m.onnx", "-o", "q.onnx", "--calib", "pets"});
  EXPECT_EQ(calibrated.err.find(fewer), std::string::npos) << "calibration asks for no labels: " << calibrated.err;
}

TEST_F(CliInfer, TellsOfLargeOutputsTheirRangeAndOfScoresTheLargest) {
  write_model(R"(graph @two(%x: f32[N,3]) -> (scores: f32[N,12], map: f32[N,2,6]) {
  %w = constant {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0} : f32[3,12]
  %y = mat_mul %x, %w : f32[N,12]
  %shape = constant {0, 2, 6} : i64[3]
  %z = reshape %y, %shape : f32[N,2,6]
  return %y, %z
})",
              folder_ / "two.onnx");
  write_rows("d.npz", {4, -8, 9});
  EXPECT_EQ(run({"infer", "two.onnx", "--data", "d.npz"}).out,
            "d.npz[0]:\n  scores: class 11 4, class 0 0, class 1 0, class 3 0, class 4 0\n"
            "  map: [1,2,6], min -8, mean -0.3333, max 4\n");
}

}  // namespace
}  // namespace edgesmith::testing
