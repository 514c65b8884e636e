// SPDX-License-Identifier: Apache-2.0
// A classifier of three numbers with its data, written as files, for tests of whole commands.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "edgesmith/base/file.h"
#include "edgesmith/base/random.h"
#include "edgesmith/data/arrays.h"
#include "edgesmith/ir/text.h"
#include "edgesmith/onnx/export.h"

namespace edgesmith::testing {

/// A folder that goes away with its object.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "edgesmith-test-XXXXXX").string();
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  std::string path() const { return path_.string(); }
  /// Names of everything in the folder, hidden files included.
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  }

 private:
  std::filesystem::path path_;
};

/// logits = relu(identity(x)) (half + half): the class is the largest of three inputs. There is something to do for
/// eliminate-identities and for fold-constants.
inline constexpr const char* kTinyModel = R"(graph @tiny(%x: f32[N,3]) -> (logits: f32[N,3]) {
  %half = constant {0.5, 0, 0, 0, 0.5, 0, 0, 0, 0.5} : f32[3,3]
  %w = add %half, %half : f32[3,3]
  %same = identity %x : f32[N,3]
  %r = relu %same : f32[N,3]
  %y = mat_mul %r, %w : f32[N,3]
  return %y
}
)";

/// The same classes by way of pairs of equal inputs and weights, which overflow 16 bits at full range wherever an input
/// is over a half.
inline constexpr const char* kSaturatingModel = R"(graph @pairs(%x: f32[N,3]) -> (logits: f32[N,3]) {
  %twice = constant {1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1} : f32[3,6]
  %sums = constant {1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 1} : f32[6,3]
  %h = mat_mul %x, %twice : f32[N,6]
  %y = mat_mul %h, %sums : f32[N,3]
  return %y
}
)";

inline void write_model(const std::string& text, const std::string& path) {
  auto graph = ir::parse(text);
  ASSERT_TRUE(graph.ok()) << graph.error().text();
  const auto written = onnx::export_file(*graph, path);
  ASSERT_TRUE(written.ok()) << written.error().text();
}

/// `count` random rows `x` in [0, 1) with their classes `y`, as .npz. Different seeds share no row.
inline void write_data(const std::string& path, int64_t count, uint64_t seed, int64_t wrong_labels = 0) {
  Random random(seed);
  std::vector<float> x;
  std::vector<int64_t> y;
  for (int64_t i = 0; i < count; ++i) {
    float row[3];
    int64_t best = 0;
    for (int64_t j = 0; j < 3; ++j) {
      row[j] = static_cast<float>(random.uniform());
      if (row[j] > row[best]) best = j;
    }
    x.insert(x.end(), row, row + 3);
    y.push_back(i < wrong_labels ? (best + 1) % 3 : best);
  }
  const std::vector<data::NamedArray> arrays = {{"x", ir::Tensor::of({count, 3}, x)},
                                                {"y", ir::Tensor::of({count}, y)}};
  const Status status = data::write_npz(path, arrays);
  ASSERT_TRUE(status.ok()) << status.error().text();
}

}  // namespace edgesmith::testing
