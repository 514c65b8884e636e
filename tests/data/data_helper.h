// SPDX-License-Identifier: Apache-2.0
// Small models and files for the tests of data.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "edgesmith/base/log.h"
#include "edgesmith/data/arrays.h"
#include "edgesmith/data/dataset.h"
#include "edgesmith/data/preprocess.h"
#include "edgesmith/ir/graph.h"

namespace edgesmith::data {

/// A folder that is removed at the end of the test.
class TempFolder {
 public:
  TempFolder() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    path_ = std::filesystem::temp_directory_path() / ("edgesmith-data-" + std::string(test->test_suite_name()) + "." +
                                                      test->name() + "-" + std::to_string(getpid()));
    std::filesystem::create_directories(path_);
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  /// Writes a file, making folders on the way.
  std::string write(const std::string& name, const std::string& content) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name, std::ios::binary) << content;
    return (path_ / name).string();
  }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

inline std::string fixture(const std::string& name) {
  return std::string(EDGESMITH_SOURCE_DIR) + "/tests/data/images/" + name;
}

inline std::string slurp(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// A type such as f32[N,3,8,8]: -1 stands for N.
inline ir::Type type_with(ir::DType dtype, const std::vector<int64_t>& dims) {
  ir::Shape shape;
  for (const int64_t dim : dims) shape.push_back(dim < 0 ? ir::Dim(std::string("N")) : ir::Dim(dim));
  return {dtype, shape};
}

struct InputOf {
  std::string name;
  ir::Type type;
};

/// A graph with these inputs whose only result `scores` is the first input, declared as f32[N,classes].
inline ir::Graph model(const std::vector<InputOf>& inputs, int64_t classes = 10) {
  ir::Graph graph;
  for (const InputOf& input : inputs) graph.add_input(input.name, input.type);
  ir::Node& node = graph.append(ir::OpKind::opaque, {graph.inputs()[0]});
  node.output().set_type(type_with(ir::DType::f32, {-1, classes}));
  graph.add_output("scores", node.output());
  return graph;
}

inline ir::Graph image_model(std::vector<int64_t> dims, int64_t classes = 10) {
  return model({{"image", type_with(ir::DType::f32, dims)}}, classes);
}

inline DataSpec spec_of(const std::string& path, const std::string& labels = {}) {
  DataSpec spec;
  spec.path = path;
  spec.labels = labels;
  return spec;
}

/// A spec that declares `preprocess` for every input.
inline DataSpec spec_with(const std::string& path, const Preprocess& preprocess) {
  DataSpec spec = spec_of(path);
  spec.preprocess.emplace_back("", preprocess);
  return spec;
}

inline std::string joined_warnings() {
  std::string all;
  for (const std::string& warning : log::take_warnings()) all += warning + "\n";
  return all;
}

}  // namespace edgesmith::data

/// Fails the test with the error's text unless `result` is good.
#define ASSERT_GOOD(result) ASSERT_TRUE((result).ok()) << (result).error().text()
