// SPDX-License-Identifier: Apache-2.0
// Models and data that are not what they should be, through every command: the documented exit code, one error line
// that names the file, and no output.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/run_tool.h"
#include "support/tiny_model.h"

namespace edgesmith::testing {
namespace {

namespace fs = std::filesystem;

/// Protobuf by hand: a field with bytes, and one with a number below 128.
std::string field(int number, const std::string& bytes) {
  std::string text(1, static_cast<char>((number << 3) | 2));
  size_t size = bytes.size();
  for (; size > 127; size >>= 7) text += static_cast<char>((size & 127) | 128);
  return text + static_cast<char>(size) + bytes;
}
std::string field(int number, int value) {
  return std::string(1, static_cast<char>(number << 3)) + static_cast<char>(value);
}

/// ValueInfoProto of a float matrix [2,2].
std::string matrix(const std::string& name) {
  const std::string shape = field(1, field(1, 2)) + field(1, field(1, 2));
  return field(1, name) + field(2, field(1, field(1, 1) + field(2, shape)));
}

std::string node(const std::string& op, const std::string& input, const std::string& output,
                 const std::string& domain = "") {
  return field(1, input) + field(2, output) + field(4, op) + (domain.empty() ? "" : field(7, domain));
}

/// A ModelProto with these nodes from x to y.
std::string model(const std::vector<std::string>& nodes) {
  std::string graph;
  for (const std::string& n : nodes) graph += field(1, n);
  graph += field(2, "g") + field(11, matrix("x")) + field(12, matrix("y"));
  return field(1, 7) + field(7, graph) + field(8, field(1, "") + field(2, 13)) +
         field(8, field(1, "com.acme") + field(2, 1));
}

struct BadFile {
  std::string name, bytes;
  int exit_code;
};

std::vector<BadFile> bad_models() {
  const std::string good = model({node("Relu", "x", "y")});
  return {
      {"empty.onnx", "", 3},
      {"page.onnx", "<!DOCTYPE html><html><body>404</body></html>", 3},
      {"pointer.onnx", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", 3},
      {"packed.onnx", std::string("\x1f\x8b\x08\0\0\0\0\0\0\3", 10), 3},
      {"torch.onnx", std::string("PK\3\4\0\0\0\0archive/data.pkl", 24), 3},
      {"text.onnx", "just some words\n", 3},
      {"truncated.onnx", good.substr(0, good.size() - 9), 3},
      {"cycle.onnx", model({node("Relu", "y", "z"), node("Relu", "z", "y")}), 3},
      {"undefined.onnx", model({node("Relu", "nowhere", "y")}), 3},
      {"doubly.onnx", model({node("Relu", "x", "y"), node("Sigmoid", "x", "y")}), 3},
  };
}

class BadInput : public ::testing::Test {
 protected:
  void SetUp() override {
    write_model(kTinyModel, folder_ / "m.onnx");
    write_data(folder_ / "d.npz", 30, 1);
  }

  ToolResult run(const std::vector<std::string>& args) {
    ToolOptions options;
    options.folder = folder_.path();
    return run_tool(args, options);
  }

  /// One line that names `file`, the exit code, nothing on stdout, and no output file.
  void expect_refused(const std::vector<std::string>& args, int exit_code, const std::string& file) {
    const ToolResult result = run(args);
    const std::string command = args[0] + " of " + file;
    EXPECT_EQ(result.exit_code, exit_code) << command << ": " << result.err;
    const size_t line = result.err.find("edgesmith: error: ");
    ASSERT_NE(line, std::string::npos) << command << ": " << result.err;
    EXPECT_NE(result.err.find(file, line), std::string::npos) << command << ": " << result.err;
    EXPECT_EQ(result.err.find('\n', line), result.err.size() - 1) << command << ": " << result.err;
    EXPECT_EQ(result.out, "") << command;
    EXPECT_FALSE(fs::exists(folder_ / "out")) << command;
    for (const std::string& name : folder_.names()) EXPECT_NE(name.substr(0, 11), ".edgesmith-") << name;
  }

  /// Every command that reads a model and data.
  static std::vector<std::vector<std::string>> commands(const std::string& model, const std::string& data) {
    return {{"eval", model, "--data", data, "-q"},
            {"compare", model, model, "--data", data, "-q"},
            {"bench", model, "--data", data, "--runs", "1", "-q"},
            {"bench", model, model, "--data", data, "--runs", "1", "-q"},
            {"bench", model, "--pipeline", "--data", data, "--fps", "1000", "--runs", "1", "-q"},
            {"infer", model, "--data", data, "-o", "out", "-q"},
            {"simplify", model, "--eval", data, "-o", "out", "-q"},
            {"quantize", model, "--calib", data, "-o", "out", "-q"},
            {"run", "recipe.toml", model, "--eval", data, "-q"}};
  }

  TemporaryFolder folder_;
};

constexpr const char* kRecipe = "output = \"out\"\n[[step]]\npass = \"simplify\"\n";

TEST_F(BadInput, ModelsThatAreNoModelsAreRefusedByEveryCommand) {
  ASSERT_TRUE(write_file(folder_ / "recipe.toml", kRecipe).ok());
  for (const BadFile& bad : bad_models()) {
    ASSERT_TRUE(write_file(folder_ / bad.name, bad.bytes).ok());
    expect_refused({"inspect", bad.name, "-q"}, bad.exit_code, bad.name);
    expect_refused({"check", bad.name, "--target", "ort-x86", "-q"}, bad.exit_code, bad.name);
    for (const auto& args : commands(bad.name, "d.npz")) expect_refused(args, bad.exit_code, bad.name);
  }
}

TEST_F(BadInput, AnOperatorThatNobodyKnowsIsExitCode4WhereItMustRun) {
  ASSERT_TRUE(write_file(folder_ / "alien.onnx", model({node("Mystery", "x", "y", "com.acme")})).ok());
  ASSERT_TRUE(data::write_npz(
                  folder_ / "x.npz",
                  std::vector<data::NamedArray>{{"x", ir::Tensor::of<float>({2, 2}, std::vector<float>{1, 2, 3, 4})}})
                  .ok());
  expect_refused({"infer", "alien.onnx", "--data", "x.npz", "-o", "out", "-q"}, 4, "alien.onnx");
  EXPECT_NE(run({"infer", "alien.onnx", "--data", "x.npz", "-o", "out"}).err.find("Mystery"), std::string::npos);
  EXPECT_EQ(run({"inspect", "alien.onnx"}).exit_code, 0);
  EXPECT_EQ(run({"simplify", "alien.onnx", "-o", "out"}).exit_code, 0) << "it passes through";
}

TEST_F(BadInput, DataThatDoNotFitAreRefusedByEveryCommand) {
  ASSERT_TRUE(write_file(folder_ / "recipe.toml", kRecipe).ok());
  const auto write = [&](const std::string& name, std::vector<data::NamedArray> arrays) {
    ASSERT_TRUE(data::write_npz(folder_ / name, arrays).ok());
  };
  const std::vector<float> six = {1, 2, 3, 4, 5, 6}, nan = {1, 2, 3, 4, 5, NAN};
  const std::vector<int64_t> labels = {0, 1}, outside = {0, 7};
  write("shape.npz", {{"x", ir::Tensor::of({3, 2}, six)}});
  write("nan.npz", {{"x", ir::Tensor::of({2, 3}, nan)}, {"y", ir::Tensor::of({2}, labels)}});
  write("labels.npz", {{"x", ir::Tensor::of({2, 3}, six)}, {"y", ir::Tensor::of({2}, outside)}});
  write("empty.npz", {{"x", ir::Tensor::of({0, 3}, std::vector<float>())}});
  ASSERT_TRUE(write_file(folder_ / "cut.npz", "PK\3\4").ok());
  for (const char* name : {"shape.npz", "nan.npz", "labels.npz", "empty.npz", "cut.npz"}) {
    for (const auto& args : commands("m.onnx", name)) {
      // Labels mean nothing to calibration.
      if (args[0] == "quantize" && std::string(name) == "labels.npz") continue;
      expect_refused(args, 3, name);
    }
  }
  for (const auto& args : commands("m.onnx", "none.npz")) expect_refused(args, 5, "none.npz");
}

}  // namespace
}  // namespace edgesmith::testing
