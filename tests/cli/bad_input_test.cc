// SPDX-License-Identifier: Apache-2.0
// Models and data that are not what they should be, through every command: the documented exit code, one error line
// that names the file, and no output.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <thread>

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

/// TensorShapeProto, and the ValueInfoProto of a float tensor.
std::string shape(const std::vector<int>& dims) {
  std::string text;
  for (const int dim : dims) text += field(1, field(1, dim));
  return text;
}
std::string value(const std::string& name, const std::vector<int>& dims) {
  return field(1, name) + field(2, field(1, field(1, 1) + field(2, shape(dims))));
}

/// TensorProto of floats that are all `number`, without its bytes, and with them.
std::string tensor_head(const std::string& name, const std::vector<int>& dims) {
  std::string text;
  for (const int dim : dims) text += field(1, dim);
  return text + field(2, 1) + field(8, name);
}
std::string tensor(const std::string& name, const std::vector<int>& dims, float number) {
  size_t count = 1;
  for (const int dim : dims) count *= static_cast<size_t>(dim);
  std::string bytes;
  for (size_t i = 0; i < count; ++i) bytes.append(reinterpret_cast<const char*>(&number), sizeof number);
  return tensor_head(name, dims) + field(9, bytes);
}
/// A matrix w [2,2] whose bytes are in another file.
std::string external_tensor(const std::string& location) {
  return tensor_head("w", {2, 2}) + field(13, field(1, "location") + field(2, location)) + field(14, 1);
}

std::string node(const std::string& op, const std::vector<std::string>& inputs, const std::string& output,
                 const std::string& domain = "") {
  std::string text;
  for (const std::string& input : inputs) text += field(1, input);
  return text + field(2, output) + field(4, op) + (domain.empty() ? "" : field(7, domain));
}

/// A ModelProto with these nodes and initializers from x to y.
std::string model(const std::vector<std::string>& nodes, const std::vector<std::string>& weights = {},
                  const std::vector<int>& dims = {2, 2}) {
  std::string graph;
  for (const std::string& n : nodes) graph += field(1, n);
  graph += field(2, "g");
  for (const std::string& weight : weights) graph += field(5, weight);
  graph += field(11, value("x", dims)) + field(12, field(1, "y"));
  return field(1, 7) + field(7, graph) + field(8, field(1, "") + field(2, 13)) +
         field(8, field(1, "com.acme") + field(2, 1));
}

struct BadFile {
  std::string name, bytes;
  std::string what;  ///< part of the error line
};

/// Files that are no ONNX models at all.
std::vector<BadFile> foreign_files() {
  const std::string meta = field(1, field(4, "serve") + field(5, "2.9.1"));
  const std::string placeholder = field(1, "input") + field(2, "Placeholder");
  return {
      {"empty.onnx", "", "is empty"},
      {"page.onnx", "<!DOCTYPE html><html><body>404</body></html>", "HTML page"},
      {"pointer.onnx", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "git-lfs pointer"},
      {"packed.onnx", std::string("\x1f\x8b\x08\0\0\0\0\0\0\3", 10), "gzip file"},
      {"torch.onnx", std::string("PK\3\4\0\0\0\0archive/data.pkl", 24), "PyTorch checkpoint"},
      {"pickle.onnx", "\x80\x02}q\x01.", "PyTorch checkpoint"},
      {"saved-model.onnx", field(1, 1) + field(2, meta), "TensorFlow SavedModel"},
      {"frozen.onnx", field(1, placeholder), "frozen TensorFlow graph"},
      {"lite.onnx", std::string("\x1c\0\0\0TFL3 flatbuffer", 18), "TensorFlow Lite model"},
      {"keras.onnx", "\x89HDF\r\n\x1a\n weights", "HDF5 file"},
      {"text.onnx", "just some words\n", "text file"},
  };
}

/// Models that break a rule.
std::vector<BadFile> broken_models() {
  const std::string good = model({node("Relu", {"x"}, "y")});
  const std::vector<std::string> product = {node("MatMul", {"x", "w"}, "y")};
  const std::vector<std::string> gemm = {node("Gemm", {"x", "w"}, "y")};
  const std::vector<std::string> conv = {node("Conv", {"x", "w"}, "y")};
  const std::vector<int> picture = {1, 2, 3, 3};
  return {
      {"truncated.onnx", good.substr(0, good.size() - 9), "is cut off"},
      {"cycle.onnx", model({node("Relu", {"y"}, "z"), node("Relu", {"z"}, "y")}), "has a cycle"},
      {"undefined.onnx", model({node("Relu", {"nowhere"}, "y")}), "reads 'nowhere'"},
      {"doubly.onnx", model({node("Relu", {"x"}, "y"), node("Sigmoid", {"x"}, "y")}), "'y' is defined twice"},
      {"shapes.onnx", model(product, {tensor("w", {3, 2}, 1)}), "inner dims are 2 and 3"},
      {"channels.onnx", model(conv, {tensor("w", {1, 3, 1, 1}, 1)}, picture), "input has 2 channels"},
      {"rank.onnx", model(conv, {tensor("w", {1, 2, 1}, 1)}, picture), "weight has rank 3"},
      {"missing.onnx", model(product, {external_tensor("gone.bin")}), "'gone.bin' are missing"},
      {"escaping.onnx", model(product, {external_tensor("../d.npz")}), "outside the model's folder"},
      {"absolute.onnx", model(product, {external_tensor("/etc/hostname")}), "outside the model's folder"},
      {"nan-product.onnx", model(product, {tensor("w", {2, 2}, NAN)}), "'w' holds NaN"},
      {"inf-product.onnx", model(product, {tensor("w", {2, 2}, INFINITY)}), "'w' holds an infinity"},
      {"nan-gemm.onnx", model(gemm, {tensor("w", {2, 2}, NAN)}), "'w' holds NaN"},
      {"inf-gemm.onnx", model(gemm, {tensor("w", {2, 2}, INFINITY)}), "'w' holds an infinity"},
      {"nan-conv.onnx", model(conv, {tensor("w", {1, 2, 1, 1}, NAN)}, picture), "'w' holds NaN"},
      {"inf-conv.onnx", model(conv, {tensor("w", {1, 2, 1, 1}, -INFINITY)}, picture), "'w' holds an infinity"},
  };
}

/// A .npy file of this dtype and two rows of three.
std::string npy(const std::string& dtype, size_t bytes) {
  std::string head = "{'descr': '" + dtype + "', 'fortran_order': False, 'shape': (2, 3), }";
  head.resize(117, ' ');
  return std::string("\x93NUMPY\x01\0\x76\0", 10) + head + "\n" + std::string(bytes, '\0');
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

  /// One line that names `file`, says `what` and gives advice, the exit code, nothing on stdout, and no output file.
  void expect_refused(const std::vector<std::string>& args, int exit_code, const std::string& file,
                      const std::string& what = "") {
    const ToolResult result = run(args);
    const std::string command = args[0] + " of " + file;
    EXPECT_EQ(result.exit_code, exit_code) << command << ": " << result.err;
    const size_t line = result.err.find("edgesmith: error: ");
    ASSERT_NE(line, std::string::npos) << command << ": " << result.err;
    EXPECT_NE(result.err.find(file, line), std::string::npos) << command << ": " << result.err;
    EXPECT_NE(result.err.find(what, line), std::string::npos) << command << ": " << result.err;
    EXPECT_NE(result.err.find("; ", line), std::string::npos) << "no advice: " << command << ": " << result.err;
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

TEST_F(BadInput, FilesThatAreNoModelsAndBrokenModelsAreRefusedByEveryCommand) {
  ASSERT_TRUE(write_file(folder_ / "recipe.toml", kRecipe).ok());
  for (const auto& files : {foreign_files(), broken_models()}) {
    for (const BadFile& bad : files) {
      ASSERT_TRUE(write_file(folder_ / bad.name, bad.bytes).ok());
      expect_refused({"inspect", bad.name, "-q"}, 3, bad.name, bad.what);
      expect_refused({"check", bad.name, "--target", "ort-x86", "-q"}, 3, bad.name, bad.what);
      for (const auto& args : commands(bad.name, "d.npz")) expect_refused(args, 3, bad.name, bad.what);
      expect_refused({"compare", "m.onnx", bad.name, "--data", "d.npz", "-q"}, 3, bad.name, bad.what);
    }
  }
}

TEST_F(BadInput, AnOperatorThatNobodyKnowsIsExitCode4WhereItMustRun) {
  ASSERT_TRUE(write_file(folder_ / "alien.onnx", model({node("Mystery", {"x"}, "y", "com.acme")})).ok());
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
  const std::vector<float> infinite = {1, 2, 3, 4, 5, -INFINITY};
  const std::vector<int64_t> labels = {0, 1}, outside = {0, 7}, negative = {0, -1}, many = {0, 1, 2};
  write("shape.npz", {{"x", ir::Tensor::of({3, 2}, six)}});
  write("nan.npz", {{"x", ir::Tensor::of({2, 3}, nan)}, {"y", ir::Tensor::of({2}, labels)}});
  write("labels.npz", {{"x", ir::Tensor::of({2, 3}, six)}, {"y", ir::Tensor::of({2}, outside)}});
  write("rank.npz", {{"x", ir::Tensor::of({6}, six)}});
  write("inf.npz", {{"x", ir::Tensor::of({2, 3}, infinite)}, {"y", ir::Tensor::of({2}, labels)}});
  write("negative.npz", {{"x", ir::Tensor::of({2, 3}, six)}, {"y", ir::Tensor::of({2}, negative)}});
  write("lengths.npz", {{"x", ir::Tensor::of({2, 3}, six)}, {"y", ir::Tensor::of({3}, many)}});
  write("names.npz", {{"a", ir::Tensor::of({2, 3}, six)}, {"b", ir::Tensor::of({2, 3}, six)}});
  write("empty.npz", {{"x", ir::Tensor::of({0, 3}, std::vector<float>())}});
  ASSERT_TRUE(write_file(folder_ / "cut.npz", "PK\3\4").ok());
  ASSERT_TRUE(write_file(folder_ / "words.npy", npy("<U1", 24)).ok());
  ASSERT_TRUE(write_file(folder_ / "complex.npy", npy("<c8", 48)).ok());
  ASSERT_TRUE(write_file(folder_ / "cut.npy", npy("<f4", 20)).ok());
  ASSERT_TRUE(write_file(folder_ / "empty.csv", "path,label\n").ok());
  fs::create_directory(folder_ / "empty-folder");
  for (const char* name :
       {"shape.npz", "rank.npz", "nan.npz", "inf.npz", "labels.npz", "negative.npz", "lengths.npz", "names.npz",
        "empty.npz", "cut.npz", "words.npy", "complex.npy", "cut.npy", "empty.csv", "empty-folder"}) {
    for (const auto& args : commands("m.onnx", name)) expect_refused(args, 3, name);
  }
  for (const auto& args : commands("m.onnx", "none.npz")) expect_refused(args, 5, "none.npz");
}

TEST_F(BadInput, ValuesUnlikeTheDeclaredPreprocessingAreAWarningOfEveryCommand) {
  ASSERT_TRUE(write_file(folder_ / "recipe.toml", kRecipe).ok());
  const std::vector<uint8_t> pixels = {1, 200, 3, 255, 30, 31};
  const std::vector<int64_t> labels = {1, 0};
  ASSERT_TRUE(data::write_npz(folder_ / "pixels.npz",
                              std::vector<data::NamedArray>{{"x", ir::Tensor::of<uint8_t>({2, 3}, pixels)},
                                                            {"y", ir::Tensor::of({2}, labels)}})
                  .ok());
  for (std::vector<std::string> args : commands("m.onnx", "pixels.npz")) {
    if (args[0] != "eval" && args[0] != "compare") args.push_back("--force");
    const ToolResult undeclared = run(args);
    EXPECT_EQ(undeclared.exit_code, 0) << undeclared.err;
    EXPECT_NE(undeclared.err.find("warning: pixels.npz: input 'x': pixels go in as they are"), std::string::npos)
        << args[0] << ": " << undeclared.err;
    args.insert(args.end(), {"--mean", "0.5", "--std", "0.25"});
    const ToolResult units = run(args);
    EXPECT_EQ(units.exit_code, 0) << units.err;
    EXPECT_NE(units.err.find("mean and std are in other units than the data"), std::string::npos)
        << args[0] << ": " << units.err;
    args.resize(args.size() - 4);
    args.insert(args.end(), {"--scale", "255"});
    const ToolResult upside_down = run(args);
    EXPECT_NE(upside_down.err.find("255 is above 1 (is 1/255 meant?)"), std::string::npos)
        << args[0] << ": " << upside_down.err;
  }
}

TEST_F(BadInput, WrongUsageIsExitCode2OfEveryCommand) {
  ASSERT_TRUE(write_file(folder_ / "recipe.toml", kRecipe).ok());
  ASSERT_TRUE(write_file(folder_ / "taken", "mine").ok());
  ASSERT_TRUE(write_file(folder_ / "none.toml", "output = \"out\"\n[[step]]\npass = \"quantize\"\n").ok());
  ASSERT_TRUE(write_file(folder_ / "skip.toml",
                         "output = \"out\"\n[data]\ncalib = \"d.npz\"\n[[step]]\npass = "
                         "\"quantize\"\nskip = [\"stem*\"]\n")
                  .ok());
  ASSERT_TRUE(write_file(folder_ / "self.toml", "output = \"m.onnx\"\n[[step]]\npass = \"simplify\"\n").ok());
  ASSERT_TRUE(write_file(folder_ / "taken.toml", "output = \"taken\"\n[[step]]\npass = \"simplify\"\n").ok());
  const std::string before = *read_file(folder_ / "m.onnx"), data = *read_file(folder_ / "d.npz");
  // No data where they are needed.
  expect_refused({"eval", "m.onnx"}, 2, "", "--data");
  expect_refused({"compare", "m.onnx", "m.onnx"}, 2, "", "--data");
  expect_refused({"infer", "m.onnx", "-o", "out"}, 2, "", "--data");
  expect_refused({"quantize", "m.onnx", "-o", "out"}, 2, "", "--calib");
  expect_refused({"quantize", "m.onnx", "--eval", "d.npz", "-o", "out", "-q"}, 2, "", "--calib");
  expect_refused({"run", "none.toml", "m.onnx"}, 2, "", "--calib");
  // The output is an input.
  expect_refused({"infer", "m.onnx", "--data", "d.npz", "-o", "./d.npz", "--force"}, 2, "d.npz", "is the input");
  expect_refused({"infer", "m.onnx", "--data", "d.npz", "-o", "m.onnx", "--force"}, 2, "m.onnx", "is the input");
  expect_refused({"simplify", "m.onnx", "-o", "./m.onnx", "--force"}, 2, "m.onnx", "is the input");
  expect_refused({"quantize", "m.onnx", "--calib", "d.npz", "-o", "d.npz", "--force"}, 2, "d.npz", "is the input");
  expect_refused({"run", "self.toml", "m.onnx", "--force"}, 2, "m.onnx", "is the input");
  // The output exists.
  expect_refused({"infer", "m.onnx", "--data", "d.npz", "-o", "taken"}, 2, "taken", "--force");
  expect_refused({"simplify", "m.onnx", "-o", "taken"}, 2, "taken", "--force");
  expect_refused({"quantize", "m.onnx", "--calib", "d.npz", "-o", "taken"}, 2, "taken", "--force");
  expect_refused({"run", "taken.toml", "m.onnx"}, 2, "taken", "--force");
  EXPECT_EQ(*read_file(folder_ / "taken"), "mine");
  EXPECT_EQ(*read_file(folder_ / "m.onnx"), before);
  EXPECT_EQ(*read_file(folder_ / "d.npz"), data);
  // Options that nobody knows, and selectors that match nothing.
  expect_refused({"inspect", "m.onnx", "--bogus"}, 2, "", "unknown option '--bogus'");
  for (std::vector<std::string> args : commands("m.onnx", "d.npz")) {
    args.push_back("--bogus");
    expect_refused(args, 2, "", "unknown option '--bogus'");
  }
  for (const char* command : {"passes", "ops", "metrics"}) expect_refused({command, "--bogus"}, 2, "", "'--bogus'");
  // A script's variable that is not set: without evaluation data there would be no gate, and no word of it.
  for (const char* option : {"--eval", "--metric-command", "--skip", "--report"}) {
    expect_refused({"quantize", "m.onnx", "--calib", "d.npz", "-o", "out", "-q", option, ""}, 2, option, "'' is empty");
  }
  expect_refused({"report", "diff", "a", "b", "--max-growth", ""}, 2, "--max-growth", "'' is empty");
  expect_refused({"run", "self.toml", "", "-o", "out"}, 2, "run", "'' is empty");
  expect_refused({"quantize", "m.onnx", "--calib", "d.npz", "-o", "out", "-q", "--events=", "--max-bytes=1"}, 2,
                 "--events= has no value");
  for (const char* selector : {"--only", "--skip", "--skip-op"}) {
    expect_refused({"quantize", "m.onnx", "--calib", "d.npz", "-o", "out", "-q", selector, "stem*"}, 2, selector,
                   "'stem*' matches nothing");
  }
  expect_refused({"run", "skip.toml", "m.onnx", "-q"}, 2, "skip.toml", "skip 'stem*' matches nothing");
}

TEST_F(BadInput, AFullDiskIsExitCode5OfEveryCommandThatWrites) {
  if (access("/dev/full", W_OK) != 0) GTEST_SKIP() << "no /dev/full here";
  fs::create_symlink("/dev/full", folder_ / "full");
  ASSERT_TRUE(write_file(folder_ / "full.toml", "output = \"full\"\n[[step]]\npass = \"simplify\"\n").ok());
  const std::string what = "No space left on device";
  expect_refused({"infer", "m.onnx", "--data", "d.npz", "-o", "full", "-q"}, 5, "full", what);
  expect_refused({"simplify", "m.onnx", "-o", "full", "-q"}, 5, "full", what);
  expect_refused({"quantize", "m.onnx", "--calib", "d.npz", "-o", "full", "-q"}, 5, "full", what);
  expect_refused({"run", "full.toml", "m.onnx", "-q"}, 5, "full", what);
  EXPECT_TRUE(fs::is_symlink(folder_ / "full")) << "the device must not be replaced by a file";
}

TEST_F(BadInput, CtrlCIsExitCode130OfEveryCommandThatWorksLong) {
  write_data(folder_ / "many.npz", 1000000, 3);
  ASSERT_TRUE(write_file(folder_ / "recipe.toml", kRecipe).ok());
  for (std::vector<std::string> args : commands("m.onnx", "many.npz")) {
    const auto runs = std::find(args.begin(), args.end(), "--runs");
    if (runs != args.end()) *(runs + 1) = "1000000";
    args.insert(args.end(), {"--events", "events"});
    const bool pipeline = std::find(args.begin(), args.end(), "--pipeline") != args.end();  // has threads of its own
    if (!pipeline) args.insert(args.end(), {"--threads", "1"});
    ToolOptions options;
    options.folder = folder_.path();
    options.while_running = [&](int pid) {
      for (int i = 0; i < 3000; ++i) {  // wait for the work to begin
        const auto events = read_file(folder_ / "events");
        if (events.ok() && events->find("begin") != std::string::npos) break;
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
      kill(pid, SIGINT);
    };
    const ToolResult result = run_tool(args, options);
    EXPECT_EQ(result.exit_code, 130) << args[0] << ": " << result.err;
    EXPECT_NE(result.err.find("edgesmith: error: "), std::string::npos) << args[0] << ": " << result.err;
    EXPECT_EQ(result.out, "") << args[0];
    EXPECT_FALSE(fs::exists(folder_ / "out")) << args[0];
    for (const std::string& name : folder_.names()) EXPECT_NE(name.substr(0, 11), ".edgesmith-") << args[0];
    fs::remove(folder_ / "events");
  }
}

}  // namespace
}  // namespace edgesmith::testing
