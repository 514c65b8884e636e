// SPDX-License-Identifier: Apache-2.0
// Inputs whose mean is far from zero beside their spread: what is fitted must not depend on where they lie.
#include <cmath>

#include "edgesmith/base/random.h"
#include "graph_compare.h"
#include "passes/reconstruct/gram.h"
#include "share_network.h"

namespace edgesmith::passes {
namespace {

using reconstruct::Gram;

constexpr size_t kInputs = 4, kOutputs = 3, kRows = 40, kCalls = 5;

// Sums in double, about zero and about the means.
struct Expected {
  std::vector<double> means, moments, differences, added;

  Expected(const std::vector<float>& x, const std::vector<float>& y, const std::vector<float>& s, bool centred)
      : means(kInputs), moments(kInputs * kInputs), differences(kInputs * kInputs), added(kOutputs * kInputs) {
    const size_t rows = x.size() / kInputs;
    std::vector<double> of_difference(kInputs), of_added(kOutputs);
    for (size_t r = 0; r < rows; ++r) {
      for (size_t i = 0; i < kInputs; ++i) {
        means[i] += static_cast<double>(x[r * kInputs + i]) / static_cast<double>(rows);
        of_difference[i] += (static_cast<double>(y[r * kInputs + i]) - x[r * kInputs + i]) / static_cast<double>(rows);
      }
      for (size_t m = 0; m < kOutputs; ++m) of_added[m] += s[r * kOutputs + m] / static_cast<double>(rows);
    }
    for (size_t r = 0; r < rows; ++r) {
      for (size_t j = 0; j < kInputs; ++j) {
        const double own = (x[r * kInputs + j] - (centred ? means[j] : 0)) / static_cast<double>(rows);
        for (size_t i = 0; i < kInputs; ++i) {
          moments[i * kInputs + j] += (x[r * kInputs + i] - (centred ? means[i] : 0)) * own;
          differences[i * kInputs + j] +=
              (static_cast<double>(y[r * kInputs + i]) - x[r * kInputs + i] - (centred ? of_difference[i] : 0)) * own;
        }
        for (size_t m = 0; m < kOutputs; ++m) {
          added[m * kInputs + j] += (s[r * kOutputs + m] - (centred ? of_added[m] : 0)) * own;
        }
      }
    }
  }
};

void expect_near(const std::vector<double>& a, const std::vector<double>& b, const std::vector<double>& left,
                 const std::vector<double>& right, const char* what) {
  for (size_t i = 0; i < left.size(); ++i) {
    for (size_t j = 0; j < right.size(); ++j) {
      const size_t at = i * right.size() + j;
      EXPECT_NEAR(a[at], b[at], 1e-4 * left[i] * right[j]) << what << " " << i << " " << j;
    }
  }
}

TEST(FarInputs, SumsKeepTheirSpread) {
  const ir::Graph graph = parsed(R"(graph @net(%x: f32[N,4]) -> (y) {
  %w = constant random(seed=1) : f32[4,3]
  %b = constant random(seed=2) : f32[3]
  %m = mat_mul %x, %w : f32[N,3] @"layer"
  %y = add %m, %b : f32[N,3]
  return %y
}
)");
  const ir::Node* layer = nullptr;
  for (const ir::Node& node : graph.nodes()) {
    if (node.name() == "layer") layer = &node;
  }
  ASSERT_NE(layer, nullptr);
  Gram gram(*layer, kCalls, 1280, 64, true);
  Random random(3);
  ThreadPool pool(2);
  std::vector<float> x, y, s;
  for (size_t call = 0; call < kCalls; ++call) {
    std::vector<float> current, reference, shortcut(kRows * kOutputs, 0.0F), wanted;
    for (size_t r = 0; r < kRows; ++r) {
      const double n[kInputs] = {random.normal(), random.normal(), random.normal(), 0};
      const double row[kInputs] = {n[0], 1000 + n[1] + 0.5 * n[0], 6 - 1e-3 * std::fabs(n[2]), 5};
      for (size_t i = 0; i < kInputs; ++i) {
        current.push_back(static_cast<float>(row[i]));
        reference.push_back(static_cast<float>(row[i] + (i == 2 ? 1e-4 : 0.1) * (n[i] + random.normal())));
      }
      for (size_t m = 0; m < kOutputs; ++m) wanted.push_back(static_cast<float>(n[m] + random.normal()));
    }
    x.insert(x.end(), current.begin(), current.end());
    y.insert(y.end(), reference.begin(), reference.end());
    s.insert(s.end(), wanted.begin(), wanted.end());
    const size_t numbers = current.size();
    current.resize(numbers + quantize::LayerInputs::kReadAhead);
    reference.resize(numbers + quantize::LayerInputs::kReadAhead);
    const Gram::Sample rows = {std::span(current).first(numbers), shortcut};
    const Gram::Sample targets = {std::span(reference).first(numbers), wanted};
    gram.add({{rows, rows}}, {{targets, targets}}, pool);  // both halves get the same
  }
  const std::vector<double> spread = {1, 1.1, 1e-3, 1e-9}, zero = {1, 1000, 6, 5};
  const std::vector<double> of_difference = {0.2, 0.2, 2e-4, 0.2}, of_added = {1.5, 1.5, 1.5};
  for (const bool centred : {true, false}) {
    const Expected expected(x, y, s, centred);
    const Gram::Block& block = gram.inputs().blocks()[0];
    const std::vector<double>& sizes = centred ? spread : zero;
    expect_near(gram.moments(block, centred), expected.moments, sizes, sizes, "moments");
    expect_near(gram.differences(0, 1, centred), expected.differences, of_difference, sizes, "differences");
    expect_near(gram.added_differences(0, 0, centred), expected.added, of_added, sizes, "added");
    for (size_t i = 0; i < kInputs; ++i) EXPECT_NEAR(gram.inputs().means()[i], expected.means[i], 1e-5 * zero[i]);
    for (size_t i = 0; i < kInputs; ++i) {
      EXPECT_EQ(gram.inputs().varies(block, i), i != 3);
      const Expected raw(x, y, s, false);
      EXPECT_NEAR(gram.inputs().mean_square(block, i), raw.moments[i * (kInputs + 1)], 1e-5 * zero[i] * zero[i]);
    }
  }
}

// One of eight inputs is moved away from zero before the first layer, whose bias takes that back: the function stays.
ir::Graph moved(float offset) {
  ir::Graph graph = parsed(R"(graph @net(%x: f32[N,8]) -> (y) {
  %far = constant {0,0,)" + std::to_string(offset) +
                           R"(,0,0,0,0,0} : f32[8]
  %w1 = constant random(seed=1) : f32[8,32]
  %b1 = constant random(seed=2) : f32[32]
  %w2 = constant random(seed=3) : f32[32,10]
  %b2 = constant random(seed=4) : f32[10]
  %a = add %x, %far : f32[N,8]
  %h = gemm %a, %w1, %b1 : f32[N,32] @"first"
  %r = relu %h : f32[N,32]
  %y = gemm %r, %w2, %b2 : f32[N,10] @"second"
  return %y
}
)");
  for (ir::Node& node : graph.nodes()) {
    if (node.name() != "first") continue;
    std::vector<float> bias = node.input(2)->constant()->to_floats();
    for (size_t m = 0; m < bias.size(); ++m) bias[m] -= offset * node.input(1)->constant()->to_floats()[2 * 32 + m];
    graph.set_tensor(node.input(2)->node(), ir::Tensor::of<float>({32}, bias));
  }
  return graph;
}

TEST(FarInputs, AreCompressedAsWellAsNearOnes) {
  const Pictures calib({1, 8}, 512), others({1, 8}, 700);
  const std::pair<const char*, Settings> commands[] = {
      {"prune", {{"sparsity", "0.3"}}},
      {"prune", {{"pattern", "2:4"}}},
      {"quantize", {{"weights", "int4"}}},
      {"quantize", {{"weights", "int8"}, {"activations", "float"}}},
      {"quantize", {{"rounding", "rate-aware"}, {"size", "400"}}},  // short biases: those of far inputs are large
      {"share", {{"bits", "4"}}},
  };
  for (const auto& [command, settings] : commands) {
    const auto error_at = [&](float offset) {
      ir::Graph graph = moved(offset);
      const auto change = run_named(command, graph, &calib, settings);
      EXPECT_TRUE(change.ok()) << (change.ok() ? "" : change.error().text());
      return output_error(moved(offset), graph, others);
    };
    const double near = error_at(0);
    EXPECT_GT(near, 0);
    for (const float offset : {30.0F, 300.0F, 2000.0F}) {
      EXPECT_LT(error_at(offset), 1.1 * near) << command << " " << settings[0].second << " " << offset;
    }
  }
}

}  // namespace
}  // namespace edgesmith::passes
