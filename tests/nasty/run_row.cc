// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "nasty/row.h"
#include "support/tiny_model.h"

namespace edgesmith::nasty {
namespace {

namespace fs = std::filesystem;
using testing::ToolResult;

std::string bytes_of(const std::string& path) { return read_file(path).value(); }

Model parse(const std::string& path) {
  Model model;
  EXPECT_TRUE(model.ParseFromString(bytes_of(path))) << path;
  return model;
}

/// One error line that says what it should.
void expect_error(const Row& row, const ToolResult& result, const std::string& command) {
  const size_t line = result.err.find("edgesmith: error: ");
  ASSERT_NE(line, std::string::npos) << command << ": " << result.err;
  EXPECT_EQ(result.err.find('\n', line), result.err.size() - 1) << command << ": " << result.err;
  EXPECT_NE(result.err.find(row.says, line), std::string::npos) << command << ": " << result.err;
  EXPECT_NE(result.err.find(command == "infer" ? "m." : "m.onnx", line), std::string::npos) << result.err;
}

/// True when the command did its work.
bool expect_code(const Row& row, const ToolResult& result, int code, const std::string& command) {
  if (result.exit_code == 0) {
    EXPECT_EQ(code, 0) << command << " succeeded";
    EXPECT_EQ(result.err.find("edgesmith: error: "), std::string::npos) << command << ": " << result.err;
    return true;
  }
  EXPECT_EQ(result.exit_code, code) << command << ": " << result.err;
  expect_error(row, result, command);
  return false;
}

/// What holds of every model that a command wrote.
void expect_well_formed(const Ran& ran, const Model& model, const std::string& command) {
  if (ran.row.true_types) {
    EXPECT_EQ(interface_of(model), interface_of(ran.original)) << command;
  }
  EXPECT_EQ(names_defined_twice(model), "") << command;
  if (objection(ran.original).empty()) {
    EXPECT_EQ(objection(model), "") << command;
  }
}

void make_files(const Row& row, Ran& ran) {
  fs::create_directory(ran.folder + "/data");
  if (row.text.empty()) {
    ASSERT_TRUE(write_file(ran.folder + "/m.onnx", row.bytes).ok());
    write_input(float_tensor("x", {1}, {0}), ran.folder + "/data", 0);
    return;
  }
  ran.original = model_of(row.text, row.opset);
  if (row.edit) row.edit(ran.original);
  ASSERT_TRUE(write_file(ran.folder + "/m.onnx", ran.original.SerializeAsString()).ok());
  if (row.inputs)
    row.inputs(ran.folder + "/data");
  else
    write_inputs(ran.original, row.sizes, ran.folder + "/data", 1);
}

/// Keeps the files where $EDGESMITH_NASTY says, for tests/oracle/nasty.py.
void keep_files(const Row& row, const Ran& ran) {
  const char* place = std::getenv("EDGESMITH_NASTY");
  if (place == nullptr) return;
  const fs::path folder = fs::path(place) / row.number;
  fs::remove_all(folder);
  fs::create_directories(folder.parent_path());
  std::error_code pipe;  // one row has a pipe, which cannot be copied
  fs::copy(ran.folder, folder, fs::copy_options::recursive | fs::copy_options::copy_symlinks, pipe);
}

void simplify(const Row& row, Ran& ran) {
  const ToolResult result = ran.run({"simplify", "m.onnx", "-o", "simple.onnx"});
  ran.warnings += result.err;
  const bool done = expect_code(row, result, row.codes.simplify, "simplify");
  ASSERT_EQ(fs::exists(ran.folder + "/simple.onnx"), done);
  if (!done) return;
  ran.simple = parse(ran.folder + "/simple.onnx");
  expect_well_formed(ran, ran.simple, "simplify");
  EXPECT_LE(ran.simple.graph().node_size(), ran.original.graph().node_size());
  EXPECT_LE(bytes_of(ran.folder + "/simple.onnx").size(),
            bytes_of(ran.folder + "/m.onnx").size() + static_cast<size_t>(row.grows));
  if (ran.answers.empty()) return;
  ran.simple_answers = ran.answer("simple");
  expect_same(ran.answers, ran.simple_answers, row.within);
}

void quantize(const Row& row, Ran& ran) {
  std::vector<std::string> args = {"quantize", "m.onnx", "-o", "int8.onnx", "--calib", "data"};
  args.insert(args.end(), row.quantize_args.begin(), row.quantize_args.end());
  const ToolResult result = ran.run(args);
  ran.warnings += result.err;
  const bool done = expect_code(row, result, row.codes.quantize, "quantize");
  ASSERT_EQ(fs::exists(ran.folder + "/int8.onnx"), done);
  if (!done) return;
  ran.int8 = parse(ran.folder + "/int8.onnx");
  expect_well_formed(ran, ran.int8, "quantize");
  if (ran.answers.empty()) return;
  ran.int8_answers = ran.answer("int8");
  EXPECT_GE(sqnr(ran.answers, ran.int8_answers), row.db);
}

void run_commands(const Row& row, Ran& ran) {
  const ToolResult inspected = ran.run({"inspect", "m.onnx"});
  ran.warnings += inspected.err;
  expect_code(row, inspected, row.codes.inspect, "inspect");
  const ToolResult inferred = ran.run({"infer", "m.onnx", "--data", "data", "-o", "m.npz"});
  if (expect_code(row, inferred, row.codes.infer, "infer")) {
    auto answers = data::read_npz(ran.folder + "/m.npz");
    ASSERT_TRUE(answers.ok()) << answers.error().text();
    ran.answers = *std::move(answers);
  }
  simplify(row, ran);
  quantize(row, ran);
  const Codes& codes = row.codes;
  if (codes.inspect == 0 && codes.simplify == 0 && codes.quantize == 0 && codes.infer == 0) {
    EXPECT_NE(ran.warnings.find(row.says), std::string::npos) << ran.warnings;
  }
}

}  // namespace

ToolResult Ran::run(const std::vector<std::string>& args) const {
  testing::ToolOptions options;
  options.folder = folder;
  return testing::run_tool(args, options);
}

Model Ran::written(const std::vector<std::string>& args, const std::string& output) const {
  const ToolResult result = run(args);
  EXPECT_EQ(result.exit_code, 0) << args[0] << ": " << result.err;
  return result.exit_code == 0 ? parse(folder + "/" + output) : Model();
}

Answers Ran::answer(const std::string& model, const std::string& data, const std::vector<std::string>& more) const {
  std::vector<std::string> args = {"infer", model + ".onnx", "--data", data, "-o", model + ".npz", "--force"};
  args.insert(args.end(), more.begin(), more.end());
  const ToolResult result = run(args);
  EXPECT_EQ(result.exit_code, 0) << model << ": " << result.err;
  if (result.exit_code != 0) return {};
  auto answers = data::read_npz(folder + "/" + model + ".npz");
  EXPECT_TRUE(answers.ok());
  return answers.ok() ? *std::move(answers) : Answers();
}

std::vector<float> Ran::floats(const Answers& answers, const std::string& name) {
  for (const data::NamedArray& array : answers) {
    if (array.name == name) return array.tensor.to_floats();
  }
  ADD_FAILURE() << "no answer '" << name << "'";
  return {};
}

double sqnr(const Answers& original, const Answers& other) {
  double signal = 0, noise = 0;
  EXPECT_EQ(original.size(), other.size());
  for (size_t i = 0; i < std::min(original.size(), other.size()); ++i) {
    if (!ir::is_float(original[i].tensor.dtype())) continue;
    const std::vector<float> a = original[i].tensor.to_floats(), b = other[i].tensor.to_floats();
    EXPECT_EQ(a.size(), b.size());
    for (size_t j = 0; j < std::min(a.size(), b.size()); ++j) {
      if (std::isfinite(a[j])) signal += double(a[j]) * a[j];
      if (a[j] != b[j]) noise += (double(a[j]) - b[j]) * (double(a[j]) - b[j]);
    }
  }
  return noise == 0 ? 200 : 10 * std::log10(signal / noise);
}

void expect_same(const Answers& a, const Answers& b, double within) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].name, b[i].name);
    ASSERT_EQ(a[i].tensor.type(), b[i].tensor.type()) << a[i].name;
    const std::vector<float> x = a[i].tensor.to_floats(), y = b[i].tensor.to_floats();
    float largest = 1e-6f;
    for (const float value : x) largest = std::max(largest, std::isfinite(value) ? std::abs(value) : 0);
    for (size_t j = 0; j < x.size(); ++j) {
      const bool same = x[j] == y[j] || (std::isnan(x[j]) && std::isnan(y[j])) ||
                        std::abs(x[j] - y[j]) <= within * static_cast<double>(largest);
      ASSERT_TRUE(same) << a[i].name << "[" << j << "]: " << x[j] << " and " << y[j];
    }
  }
}

void run_row(const Row& row) {
  const testing::TemporaryFolder folder;
  Ran ran(row, folder.path());
  make_files(row, ran);
  if (!::testing::Test::HasFailure()) run_commands(row, ran);
  keep_files(row, ran);
  if (!::testing::Test::HasFailure() && row.check) row.check(ran);
  for (const std::string& name : folder.names()) EXPECT_NE(name.substr(0, 11), ".edgesmith-") << name;
}

}  // namespace edgesmith::nasty
