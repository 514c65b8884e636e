// SPDX-License-Identifier: Apache-2.0
// Channels are taken out of every model of the zoo: the interface stays, and what comes out runs.
#include <gtest/gtest.h>

#include <filesystem>
#include <map>

#include "edgesmith/onnx/import.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/passes/pass.h"
#include "golden_run.h"
#include "pictures.h"
#include "support/zoo.h"

namespace edgesmith::testing {
namespace {

bool has_opaque_nodes(const ir::Graph& graph) {
  for (const ir::Node& node : graph.nodes()) {
    if (node.is(ir::OpKind::opaque)) return true;
  }
  return false;
}

int64_t weights_of(const ir::Graph& graph) {
  int64_t count = 0;
  for (const ir::Node& node : graph.nodes()) count += node.is(ir::OpKind::constant) ? node.tensor().size() : 0;
  return count;
}

// The dims of one sample where the only input is a picture.
std::optional<ir::Dims> picture_dims(const ir::Graph& graph) {
  if (graph.inputs().size() != 1 || graph.inputs()[0]->type().dtype != ir::DType::f32) return std::nullopt;
  const ir::Shape& shape = *graph.inputs()[0]->type().shape;
  ir::Dims dims = {1};
  for (size_t d = 1; d < shape.size(); ++d) dims.push_back(shape[d].known() ? shape[d].value() : 32);
  return dims.size() == 4 ? std::optional(dims) : std::nullopt;
}

// True when channels went.
bool check(const std::string& path, bool with_data) {
  SCOPED_TRACE(path);
  auto before = onnx::import_file(path);
  EXPECT_TRUE(before.ok());
  ThreadPool pool(2);
  ProgressSink progress;
  passes::PassContext context;
  context.pool = &pool;
  context.progress = &progress;
  const passes::PassInfo& simplify = *passes::find_pass("simplify");
  EXPECT_TRUE(passes::run_pass(simplify, *before, passes::Options(simplify.options()), context).ok());
  const auto dims = picture_dims(*before);
  const bool opaque = has_opaque_nodes(*before);
  const bool data = with_data && dims && !opaque;
  const passes::Pictures pictures(dims.value_or(ir::Dims{1}), 8);
  context.calib = data ? &pictures : nullptr;
  const passes::PassInfo& prune = *passes::find_pass("prune");
  passes::Options options(prune.options());
  EXPECT_TRUE(options.set_text("channels", "0.25").ok());
  EXPECT_TRUE(options.set_text("repair", data ? "reconstruct" : "none").ok());
  ir::Graph after = before->clone();
  const auto change = passes::run_pass(prune, after, options, context);
  if (!change.ok()) {  // a model that is quantized already
    EXPECT_NE(change.error().message.find("compressed already"), std::string::npos) << change.error().text();
    return false;
  }
  EXPECT_EQ(after.output_names(), before->output_names());
  EXPECT_EQ(after.inputs().size(), before->inputs().size());
  for (size_t i = 0; i < after.inputs().size(); ++i) EXPECT_EQ(after.inputs()[i]->type(), before->inputs()[i]->type());
  for (int i = 0; i < after.num_outputs(); ++i)
    EXPECT_EQ(after.output_node().input(i)->type(), before->output_node().input(i)->type());
  const bool changed = *change == passes::Change::changed;
  EXPECT_EQ(weights_of(after) < weights_of(*before), changed);
  // Numbers may be far off, shapes may not.
  if (!opaque) {
    EXPECT_EQ(compare_by_running(*before, after, 1e30, /*reference=*/false), "");
  }
  return changed;
}

TEST(PruneChannelsZoo, KeepsTheInterfaceOfEveryModel) {
  if (zoo_models().empty()) GTEST_SKIP() << "no zoo at " << zoo_folder() << " (set EDGESMITH_ZOO)";
  int changed = 0;
  for (const std::string& path : zoo_models()) {
    const bool small = path.find("/structures/") != std::string::npos;
    changed += check(path, small) ? 1 : 0;
  }
  EXPECT_GE(changed, 14);
}

// Two layers of attention with four heads of 16 and an MLP of 256.
TEST(PruneChannelsZoo, TransformersLoseHeadsAndWidth) {
  for (const char* name : {"transformer-encoder", "transformer-encoder-opset17"}) {
    const std::string path = zoo_folder() + "/structures/" + name + ".onnx";
    if (!std::filesystem::exists(path)) GTEST_SKIP() << "no " << path << " (set EDGESMITH_ZOO)";
    SCOPED_TRACE(path);
    auto graph = onnx::import_file(path);
    ASSERT_TRUE(graph.ok());
    ThreadPool pool(2);
    ProgressSink progress;
    passes::PassContext context;
    context.pool = &pool;
    context.progress = &progress;
    const passes::PassInfo &simplify = *passes::find_pass("simplify"), &prune = *passes::find_pass("prune");
    ASSERT_TRUE(passes::run_pass(simplify, *graph, passes::Options(simplify.options()), context).ok());
    const ir::Graph before = graph->clone();
    passes::Options options(prune.options());
    for (const auto& [option, value] : {std::pair{"channels", "0.5"}, {"repair", "none"}, {"multiple", "1"}}) {
      ASSERT_TRUE(options.set_text(option, value).ok());
    }
    ASSERT_TRUE(passes::run_pass(prune, *graph, options, context).ok());
    std::map<ir::Dims, int> weights;
    for (const ir::Node& node : graph->nodes()) {
      const bool layer = node.is(ir::OpKind::mat_mul) || node.is(ir::OpKind::gemm);
      if (layer && node.input(1)->constant() != nullptr) ++weights[node.input(1)->constant()->dims()];
    }
    EXPECT_EQ((weights[{64, 3 * 32}]), 2) << "q, k and v of two heads";
    EXPECT_EQ((weights[{32, 64}]), 2);
    EXPECT_EQ((weights[{64, 128}]), 2);
    EXPECT_EQ((weights[{128, 64}]), 2);
    EXPECT_EQ(compare_by_running(before, *graph, 1e30, /*reference=*/false), "");
  }
}

}  // namespace
}  // namespace edgesmith::testing
