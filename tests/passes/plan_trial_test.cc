// SPDX-License-Identifier: Apache-2.0
// Equal widths or those of a plan: what is kept is what answers better on other samples.
#include "passes/reconstruct/plan_trial.h"

#include <gtest/gtest.h>

#include "branches.h"
#include "edgesmith/ir/text.h"
#include "edgesmith/ops/op_info.h"
#include "passes/quantize/low_bit.h"
#include "pictures.h"

namespace edgesmith::passes::reconstruct {
namespace {

class PlanTrial : public ::testing::Test {
 protected:
  PlanTrial() : graph_(std::move(*ir::parse(branches(3, 9, 8)))) {
    EXPECT_TRUE(ops::infer_types(graph_).ok());
    for (ir::Node& node : graph_.nodes()) {
      if (node.is(ir::OpKind::conv)) layers_.push_back(&node);
    }
    context_.pool = &pool_;
    context_.progress = &progress_;
  }

  /// What remains of the plan; `tried`: how many layers were coded for it.
  BitPlan tried(const std::vector<int>& bits, int64_t samples, int* layers_coded = nullptr,
                std::optional<int> equal = 4) {
    const Pictures pictures({1, 3, 9, 9}, samples);
    const quantize::Stream stream(pictures, graph_, pool_, progress_);
    BitPlan plan = {.bits = bits, .total = 1, .error = 0.1, .equal_width = equal, .equal_total = 2, .equal_error = 0.2};
    int coded = 0;
    const auto code = [&](size_t l, int width, ir::Graph& copy, ir::Node& node, const Gram& gram) {
      EXPECT_EQ(node.id(), layers_[l]->id());
      EXPECT_NE(&node, layers_[l]);
      const Layer layer = read_layer(node);
      quantize::put_codes(copy, layer, quantize::low_bit_weight(layer, {.bits = width}, &gram, pool_));
      ++coded;
    };
    context_.notes.clear();
    const Status status = keep_better(plan, graph_, layers_, stream, code, context_);
    EXPECT_TRUE(status.ok());
    if (layers_coded != nullptr) *layers_coded = coded;
    return plan;
  }

  ThreadPool pool_{2};
  ProgressSink progress_;
  PassContext context_;
  ir::Graph graph_;
  std::vector<ir::Node*> layers_;
};

TEST_F(PlanTrial, KeepsWhatAnswersBetter) {
  const std::string before = ir::print(graph_);
  const BitPlan good = tried({6, 2}, 40);
  EXPECT_EQ(good.bits, (std::vector<int>{6, 2}));
  EXPECT_EQ(good.error, 0.1);
  ASSERT_EQ(context_.notes.size(), 1u);
  EXPECT_EQ(context_.notes[0].find("tried on 20 samples that layers were not fitted to: "), 0u) << context_.notes[0];
  EXPECT_NE(context_.notes[0].find("with 4 bits everywhere, so they are shared"), std::string::npos);

  // The quiet branch has the bits of the loud one.
  const BitPlan bad = tried({2, 6}, 40);
  EXPECT_EQ(bad.bits, (std::vector<int>{4, 4}));
  EXPECT_EQ(bad.total, 2);
  EXPECT_EQ(bad.error, 0.2);
  EXPECT_NE(context_.notes[0].find("so those stay equal"), std::string::npos) << context_.notes[0];
  EXPECT_EQ(ir::print(graph_), before);
}

TEST_F(PlanTrial, OneSampleDoes) {
  EXPECT_EQ(tried({6, 2}, 1).bits, (std::vector<int>{6, 2}));
  EXPECT_EQ(context_.notes[0].find("tried on 1 sample: "), 0u) << context_.notes[0];
}

TEST_F(PlanTrial, TriesNothingWithoutAChoice) {
  int coded = 0;
  EXPECT_EQ(tried({4, 4}, 8, &coded).bits, (std::vector<int>{4, 4}));
  EXPECT_EQ(coded, 0);
  EXPECT_EQ(tried({2, 6}, 8, &coded, std::nullopt).bits, (std::vector<int>{2, 6}));
  EXPECT_EQ(coded, 0);
  EXPECT_TRUE(context_.notes.empty());
}

}  // namespace
}  // namespace edgesmith::passes::reconstruct
