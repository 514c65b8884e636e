// SPDX-License-Identifier: Apache-2.0
// `simplify` on real models: same answers, same interface, never bigger, done in one run.
#include <gtest/gtest.h>

#include "edgesmith/ir/text.h"
#include "edgesmith/onnx/export.h"
#include "edgesmith/onnx/import.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/passes/pass.h"
#include "golden_run.h"
#include "support/zoo.h"

namespace edgesmith::testing {
namespace {

Result<passes::Change> simplify(ir::Graph& graph) {
  const passes::PassInfo* pass = passes::find_pass("simplify");
  passes::PassContext context;
  return passes::run_pass(*pass, graph, passes::Options(pass->options()), context);
}

bool has_opaque_nodes(const ir::Graph& graph) {
  for (const ir::Node& node : graph.nodes()) {
    if (ops::find_unknown(node) != nullptr) return true;
  }
  return false;
}

void check(const std::string& path) {
  SCOPED_TRACE(path);
  auto before = onnx::import_file(path);
  ASSERT_TRUE(before.ok()) << before.error().text();
  ir::Graph after = before->clone();
  auto change = simplify(after);
  ASSERT_TRUE(change.ok()) << change.error().text();
  EXPECT_LE(after.num_nodes(), before->num_nodes());
  EXPECT_EQ(after.output_names(), before->output_names());
  ASSERT_EQ(after.inputs().size(), before->inputs().size());
  for (size_t i = 0; i < after.inputs().size(); ++i) {
    EXPECT_EQ(after.inputs()[i]->name(), before->inputs()[i]->name());
    EXPECT_EQ(after.inputs()[i]->type(), before->inputs()[i]->type());
  }
  const auto size_before = onnx::export_bytes(*before), size_after = onnx::export_bytes(after);
  ASSERT_TRUE(size_before.ok() && size_after.ok());
  EXPECT_LE(size_after->size(), size_before->size());
  auto again = simplify(after);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(*again, passes::Change::none);
  if (!has_opaque_nodes(*before)) {
    EXPECT_EQ(compare_by_running(*before, after, 1e-4, /*reference=*/false), "");
  }
}

TEST(SimplifyZoo, KeepsAnswersAndInterfaceOfEveryModel) {
  if (zoo_models().empty()) GTEST_SKIP() << "no zoo at " << zoo_folder() << " (set EDGESMITH_ZOO)";
  for (const std::string& path : zoo_models()) check(path);
}

TEST(SimplifyZoo, FoldsTheDemoModel) { check(EDGESMITH_SOURCE_DIR "/models/fashion-mnist/fashion-cnn.onnx"); }

}  // namespace
}  // namespace edgesmith::testing
