// SPDX-License-Identifier: Apache-2.0
// A masked layer behind a changed prefix: against least squares on the data themselves.
#include <gtest/gtest.h>

#include "edgesmith/base/random.h"
#include "edgesmith/ir/text.h"
#include "edgesmith/ops/op_info.h"
#include "passes/prune/repair.h"
#include "passes/reconstruct/moments.h"

namespace edgesmith::passes::prune {
namespace {

constexpr size_t kInputs = 8, kRows = 600;

class PruneRepair : public testing::Test {
 protected:
  PruneRepair() {
    auto graph = ir::parse(R"(graph @net(%x: f32[N,8]) -> (y) {
  %w = constant random(seed=3) : f32[8,3]
  %y = mat_mul %x, %w : f32[N,3]
  return %y
}
)");
    EXPECT_TRUE(graph.ok());
    graph_ = std::move(*graph);
    EXPECT_TRUE(ops::infer_types(graph_).ok());
    for (ir::Node& node : graph_.nodes()) {
      if (node.is(ir::OpKind::mat_mul)) layer_ = Layer(reconstruct::read_layer(node));
    }
    // What the layer gets is what the float model gave it, mixed and with noise.
    Random random(5);
    for (size_t r = 0; r < kRows; ++r) {
      std::vector<double> x(kInputs);
      for (double& v : x) v = random.normal() + 0.5;
      for (size_t i = 0; i < kInputs; ++i) {
        reference_[r * kInputs + i] = static_cast<float>(x[i]);
        current_[r * kInputs + i] = static_cast<float>(0.8 * x[i] + 0.4 * x[(i + 1) % kInputs] + 0.1 * random.normal());
      }
    }
  }

  std::vector<double> repair_layer(Layer& layer, const MaskChoice& choice) {
    ThreadPool pool(2);
    reconstruct::Gram gram(*layer.node, 10, 1280, 4);
    const reconstruct::Gram::Sample rows[] = {{std::span(current_).first(kRows * kInputs), {}}};
    const reconstruct::Gram::Sample targets[] = {{std::span(reference_).first(kRows * kInputs), {}}};
    gram.add(rows, targets, pool);
    return repair(layer, gram, choice, pool);
  }

  // Squared error of output `m` against what the float model gives.
  double error_of(const std::vector<double>& weights, size_t m) const {
    double error = 0;
    for (size_t r = 0; r < kRows; ++r) {
      double difference = 0;
      for (size_t i = 0; i < kInputs; ++i) {
        difference += layer_.weights[m * kInputs + i] * reference_[r * kInputs + i] -
                      weights[m * kInputs + i] * current_[r * kInputs + i];
      }
      error += difference * difference;
    }
    return error;
  }

  // The least error of output `m` that any weights with this mask have: normal equations on the data.
  double least_error(const std::vector<bool>& kept, size_t m) const {
    std::vector<size_t> at;
    for (size_t i = 0; i < kInputs; ++i) {
      if (kept[m * kInputs + i]) at.push_back(i);
    }
    const size_t n = at.size();
    std::vector<double> matrix(n * n, 0.0), target(n, 0.0);
    for (size_t r = 0; r < kRows; ++r) {
      double wanted = 0;
      for (size_t i = 0; i < kInputs; ++i) {
        wanted += layer_.weights[m * kInputs + i] * reference_[r * kInputs + i];
      }
      for (size_t a = 0; a < n; ++a) {
        const double x = current_[r * kInputs + at[a]];
        target[a] += x * wanted;
        for (size_t b = 0; b < n; ++b) matrix[a * n + b] += x * current_[r * kInputs + at[b]];
      }
    }
    reconstruct::factor(matrix, n);
    reconstruct::solve(matrix, n, target);
    std::vector<double> weights(layer_.weights.size(), 0.0);
    for (size_t a = 0; a < n; ++a) weights[m * kInputs + at[a]] = target[a];
    return error_of(weights, m);
  }

  ir::Graph graph_;
  Layer layer_;
  std::vector<float> current_ = std::vector<float>(kRows * kInputs + quantize::LayerInputs::kReadAhead);
  std::vector<float> reference_ = current_;
};

TEST_F(PruneRepair, AimsAtTheFloatModelWithWhatIsLeft) {
  Layer layer = layer_;
  std::vector<double> masked = layer.weights;
  for (const size_t gone : {1u, 4u, 10u, 17u, 22u}) {
    layer.kept[gone] = false;
    masked[gone] = 0;
  }
  EXPECT_TRUE(repair_layer(layer, {}).empty());  // MatMul has no bias
  for (size_t m = 0; m < 3; ++m) {
    EXPECT_LE(error_of(layer.weights, m), 1.03 * least_error(layer.kept, m)) << m;
    EXPECT_LT(error_of(layer.weights, m), 0.8 * error_of(masked, m)) << m;
  }
  for (size_t i = 0; i < layer.kept.size(); ++i) {
    if (!layer.kept[i]) {
      EXPECT_EQ(layer.weights[i], 0);
    }
  }
}

TEST_F(PruneRepair, ChoosesThePatternAgain) {
  Layer layer = layer_;
  std::vector<double> first_four(layer.weights.size());
  for (size_t i = 0; i < first_four.size(); ++i) first_four[i] = i % 4 < 2 ? 0 : 1;
  ASSERT_TRUE(mask_pattern(layer, first_four, {.keep = 2, .of = 4}));
  const std::vector<bool> given = layer.kept;
  Layer fixed = layer;
  repair_layer(layer, {.pattern = Pattern{.keep = 2, .of = 4}});
  repair_layer(fixed, {});
  EXPECT_EQ(fixed.kept, given);
  EXPECT_NE(layer.kept, given);
  double chosen = 0, as_given = 0;
  for (size_t m = 0; m < 3; ++m) {
    for (size_t group = 0; group < kInputs; group += 4) {
      const auto from = layer.kept.begin() + static_cast<int64_t>(m * kInputs + group);
      EXPECT_EQ(std::count(from, from + 4, true), 2);
    }
    EXPECT_LE(error_of(layer.weights, m), 1.03 * least_error(layer.kept, m)) << m;
    chosen += error_of(layer.weights, m);
    as_given += error_of(fixed.weights, m);
  }
  EXPECT_LT(chosen, as_given);
}

TEST_F(PruneRepair, ExchangesKeepTheNumberOfZeros) {
  Layer layer = layer_;
  layer.weights[0] = 0;
  for (size_t m = 0; m < 3; ++m) {
    for (size_t i = 0; i < 4; ++i) layer.kept[m * kInputs + i] = false;
  }
  Layer fixed = layer;
  repair_layer(fixed, {});
  repair_layer(layer, {.exchange = true});
  EXPECT_NE(layer.kept, fixed.kept);
  EXPECT_EQ(layer.weights[0], 0) << "zero before";
  double changed = 0, as_given = 0;
  for (size_t m = 0; m < 3; ++m) {
    const auto from = layer.kept.begin() + static_cast<int64_t>(m * kInputs);
    EXPECT_EQ(std::count(from, from + kInputs, false), 4);
    changed += error_of(layer.weights, m);
    as_given += error_of(fixed.weights, m);
  }
  EXPECT_LT(changed, as_given);
}

TEST_F(PruneRepair, APatternTakesZerosOfBeforeFirst) {
  Layer layer = layer_;
  for (const size_t gone : {0u, 1u, 4u}) {
    layer.weights[gone] = 0;
    layer.kept[gone] = false;
  }
  repair_layer(layer, {.pattern = Pattern{.keep = 2, .of = 4}});
  for (const size_t gone : {0u, 1u, 4u}) EXPECT_EQ(layer.weights[gone], 0);
  EXPECT_TRUE(layer.kept[2] && layer.kept[3]) << "the group had its two zeros";
  EXPECT_EQ(std::count(layer.kept.begin(), layer.kept.begin() + 8, true), 4);
}

}  // namespace
}  // namespace edgesmith::passes::prune
