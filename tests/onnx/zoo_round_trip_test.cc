// SPDX-License-Identifier: Apache-2.0
// Every model of the zoo, and every awkward one of its structures, goes out as it came in.
#include <gtest/gtest.h>

#include <filesystem>

#include "edgesmith/base/file.h"
#include "edgesmith/base/random.h"
#include "edgesmith/ir/text.h"
#include "onnx/onnx_helper.h"
#include "support/reference_run.h"
#include "support/zoo.h"

namespace edgesmith::onnx {
namespace {

constexpr int64_t kLargestRun = 8'000'000;  // bytes of a file whose model is run here (the reference is slow)

/// Inputs with free dims 2, the same for the same types.
std::vector<ir::Tensor> make_inputs(const ir::Graph& graph) {
  Random random(7);
  std::vector<ir::Tensor> inputs;
  for (const ir::Value* value : graph.inputs()) {
    ir::Dims dims;
    for (const ir::Dim& dim : *value->type().shape) dims.push_back(dim.known() ? dim.value() : 2);
    const auto count = static_cast<size_t>(ir::num_elements(dims));
    if (value->type().dtype == ir::DType::i64) {
      inputs.push_back(ir::Tensor::of<int64_t>(dims, std::vector<int64_t>(count, 1)));
      continue;
    }
    std::vector<float> numbers(count);
    for (float& number : numbers) number = static_cast<float>(random.uniform());
    inputs.push_back(ir::Tensor::of<float>(dims, numbers));
  }
  return inputs;
}

bool runs_here(const ir::Graph& graph) {
  for (const ir::Value* value : graph.inputs()) {
    const bool known = value->type().dtype == ir::DType::f32 || value->type().dtype == ir::DType::i64;
    if (!known || !value->type().has_rank()) return false;
  }
  return first_opaque(graph) == nullptr;
}

/// The tensors of the constant nodes, in order.
std::vector<const ir::Tensor*> constants_of(const ir::Graph& graph) {
  std::vector<const ir::Tensor*> tensors;
  for (const ir::Node& node : graph.nodes()) {
    if (node.is(ir::OpKind::constant)) tensors.push_back(node.output(0).constant());
  }
  return tensors;
}

void expect_round_trip(const std::string& path) {
  SCOPED_TRACE(path);
  const auto graph = import_file(path);
  ASSERT_TRUE(graph.ok()) << graph.error().text();
  const auto bytes = export_bytes(*graph);
  ASSERT_TRUE(bytes.ok()) << bytes.error().text();
  const std::string folder = std::filesystem::path(path).parent_path().string();
  const auto again = import_string(*bytes, folder);
  ASSERT_TRUE(again.ok()) << again.error().text();
  EXPECT_EQ(must_export(*again), *bytes) << "a second export differs";
  const auto source = read_file(path);
  ASSERT_TRUE(source.ok());
  EXPECT_EQ(signature(*bytes), signature(*source));
  EXPECT_EQ(opset_of(*bytes), opset_of(*source));
  EXPECT_EQ(ir_version_of_bytes(*bytes), ir_version_of_bytes(*source));
  EXPECT_TRUE(!check_model(*source).empty() || check_model(*bytes).empty()) << check_model(*bytes);
  if (!runs_here(*graph) || static_cast<int64_t>(source->size()) > kLargestRun) return;
  const std::vector<ir::Tensor> inputs = make_inputs(*graph);
  const auto before = testing::reference_run(*graph, inputs), after = testing::reference_run(*again, inputs);
  ASSERT_EQ(before.ok(), after.ok());
  if (!before.ok()) return;  // made-up inputs may not fit together
  for (size_t i = 0; i < before->size(); ++i) EXPECT_TRUE((*before)[i].identical_to((*after)[i])) << "result " << i;
}

/// The text form with every weight in full reads back as the same graph.
void expect_text_round_trip(const std::string& path) {
  SCOPED_TRACE(path);
  const auto graph = import_file(path);
  ASSERT_TRUE(graph.ok()) << graph.error().text();
  const ir::PrintOptions in_full{.max_elements = 0};
  const std::string text = ir::print(*graph, in_full);
  const auto parsed = ir::parse(text);
  ASSERT_TRUE(parsed.ok()) << parsed.error().text();
  EXPECT_TRUE(ir::print(*parsed, in_full) == text) << "another text";
  ASSERT_EQ(parsed->inputs().size(), graph->inputs().size());
  EXPECT_EQ(parsed->output_names(), graph->output_names());
  EXPECT_EQ(parsed->num_nodes(), graph->num_nodes());
  const auto before = constants_of(*graph), after = constants_of(*parsed);
  ASSERT_EQ(before.size(), after.size());
  for (size_t i = 0; i < before.size(); ++i) EXPECT_TRUE(before[i]->identical_to(*after[i])) << "constant " << i;
}

TEST(ZooRoundTrip, EveryModelPrintsAsTextThatReadsBack) {
  const std::vector<std::string> models = testing::zoo_models();
  if (models.empty()) GTEST_SKIP() << "no zoo at " << testing::zoo_folder() << " (set EDGESMITH_ZOO)";
  for (const std::string& path : models) {
    if (static_cast<int64_t>(std::filesystem::file_size(path)) <= kLargestRun) expect_text_round_trip(path);
  }
}

TEST(ZooRoundTrip, EveryModelGoesOutAsItCameIn) {
  const std::vector<std::string> models = testing::zoo_models();
  if (models.empty()) GTEST_SKIP() << "no zoo at " << testing::zoo_folder() << " (set EDGESMITH_ZOO)";
  for (const std::string& path : models) expect_round_trip(path);
}

}  // namespace
}  // namespace edgesmith::onnx
