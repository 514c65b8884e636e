// SPDX-License-Identifier: Apache-2.0
// Real models, float and quantized: with their constants as parameters they give what they gave, and what is written
// back unchanged is what was there.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "edgesmith/data/seeded_inputs.h"
#include "edgesmith/ir/text.h"
#include "edgesmith/ir/verifier.h"
#include "edgesmith/onnx/import.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/runtime/executor.h"
#include "support/zoo.h"
#include "train/parameters.h"

namespace edgesmith::train {
namespace {

constexpr uintmax_t kLargestFile = 4'000'000;

double distance(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return INFINITY;
  double off = 0, size = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    off += std::pow(static_cast<double>(a[i]) - b[i], 2);
    size += std::pow(static_cast<double>(b[i]), 2);
  }
  return off == 0 ? 0 : std::sqrt(off / size);
}

/// True when the model has parameters.
bool check(const std::string& path) {
  SCOPED_TRACE(path);
  auto student = onnx::import_file(path);
  if (!student.ok() || std::filesystem::file_size(path) > kLargestFile) return false;
  EXPECT_TRUE(ops::infer_types(*student).ok());
  ir::Graph graph = student->clone();
  const auto parameters = make_trainable(graph);
  if (!parameters.ok()) {
    EXPECT_EQ(parameters.error().kind, ErrorKind::unsupported) << parameters.error().text();
    return false;
  }
  const Status valid = ir::verify(graph);
  EXPECT_TRUE(valid.ok()) << valid.error().text();
  const std::string before = ir::print(*student, {.max_elements = 0});
  const Status written = write_back(*parameters, *student);
  EXPECT_TRUE(written.ok()) << written.error().text();
  EXPECT_EQ(ir::print(*student, {.max_elements = 0}) == before, true);
  std::vector<std::pair<std::string, int64_t>> sizes;
  for (const ir::Value* input : student->inputs()) {
    for (int d = 1; d < input->type().rank(); ++d) {
      const ir::Dim& dim = (*input->type().shape)[static_cast<size_t>(d)];
      if (dim.symbolic()) sizes.emplace_back(dim.symbol(), input->type().rank() == 4 ? 32 : 5);
    }
  }
  auto inputs = data::seeded_inputs(*student, {.free_dims = sizes, .seed = 3, .memory_limit = int64_t{1} << 28});
  if (!inputs) return true;
  const auto plain = runtime::Executor::create(*student), trained = runtime::Executor::create(graph);
  if (!plain.ok()) return true;  // operators that nobody runs
  EXPECT_TRUE(trained.ok()) << trained.error().text();
  const auto expected = (*plain)->make_session()->run(*inputs);
  if (!expected.ok()) return true;
  for (const Parameter& parameter : *parameters) inputs->push_back(parameter.value);
  const auto results = (*trained)->make_session()->run(*inputs);
  EXPECT_TRUE(results.ok()) << results.error().text();
  // Int32 biases are reals in training, so single codes of quantized models may differ.
  for (size_t i = 0; i < results->size(); ++i) {
    if (!ir::is_float((*expected)[i].dtype())) continue;
    EXPECT_LT(distance((*results)[i].to_floats(), (*expected)[i].to_floats()), 0.03) << i;
  }
  return true;
}

TEST(ZooParameters, KeepResultsAndConstants) {
  if (testing::zoo_models().empty()) {
    GTEST_SKIP() << "no zoo at " << testing::zoo_folder() << " (set EDGESMITH_ZOO)";
  }
  int trained = 0;
  for (const std::string& path : testing::zoo_models()) trained += check(path) ? 1 : 0;
  EXPECT_GE(trained, 15);
}

}  // namespace
}  // namespace edgesmith::train
