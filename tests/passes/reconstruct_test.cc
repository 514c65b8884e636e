// SPDX-License-Identifier: Apache-2.0
// The engine of reconstruction against brute force.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "edgesmith/base/random.h"
#include "edgesmith/ir/text.h"
#include "edgesmith/ops/op_info.h"
#include "passes/reconstruct/gram.h"
#include "passes/reconstruct/layer.h"
#include "passes/reconstruct/moments.h"
#include "passes/reconstruct/sequence.h"
#include "passes/reconstruct/sweep.h"

namespace edgesmith::passes::reconstruct {
namespace {

std::vector<double> normals(size_t count, Random& random) {
  std::vector<double> out;
  for (size_t i = 0; i < count; ++i) out.push_back(random.normal());
  return out;
}

// Second moments of correlated inputs.
std::vector<double> random_moments(size_t n, Random& random) {
  const std::vector<double> mixing = normals(n * n, random);
  std::vector<double> moments(n * n, 0.0);
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j < n; ++j) {
      for (size_t k = 0; k < n; ++k) moments[i * n + j] += mixing[i * n + k] * mixing[j * n + k];
    }
  }
  return moments;
}

double error_of(std::span<const double> wanted, std::span<const double> values, std::span<const double> moments) {
  const size_t n = wanted.size();
  double error = 0;
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j < n; ++j) {
      error += (wanted[i] - values[i]) * moments[i * n + j] * (wanted[j] - values[j]);
    }
  }
  return error;
}

// Whole numbers from -2 to 1.
class Integers : public Projection {
 public:
  double project(int, int, double value) override { return std::clamp(std::nearbyint(value), -2.0, 1.0); }
};

// Zero where a mask says so.
class Mask : public Projection {
 public:
  explicit Mask(std::vector<bool> kept) : kept_(std::move(kept)) {}
  double project(int, int column, double value) override { return kept_[static_cast<size_t>(column)] ? value : 0; }

 private:
  std::vector<bool> kept_;
};

double least_error(std::span<const double> wanted, std::span<const double> moments) {
  const size_t n = wanted.size();
  std::vector<double> values(n);
  double least = INFINITY;
  for (size_t code = 0; code < size_t{1} << (2 * n); ++code) {
    for (size_t k = 0; k < n; ++k) values[k] = static_cast<double>(code >> (2 * k) & 3) - 2;
    least = std::min(least, error_of(wanted, values, moments));
  }
  return least;
}

// What rounding leaves of inputs that do not vary is no matrix of moments: it has negative eigenvalues.
TEST(Moments, SolutionsStayBoundedWhereRoundingIsAllThereIs) {
  constexpr size_t n = 200;
  Random random(3);
  std::vector<double> matrix(n * n), target(n, 1e-4);
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j <= i; ++j) matrix[i * n + j] = matrix[j * n + i] = 1e-4 * random.normal();
  }
  matrix[0] = 1;
  damp(matrix, n, 0.0005);
  factor(matrix, n);
  solve(matrix, n, target);
  for (const double x : target) EXPECT_LT(std::abs(x), 1000);
}

// As below, for the factor that repair and aims use.
TEST(Moments, PivotsBelowWhatWasAddedAreRounding) {
  constexpr size_t n = 5;
  std::vector<double> matrix(n * n, 1.1);
  for (size_t i = 0; i < n; ++i) matrix[i * n + i] = 1;
  const double added = damp(matrix, n, 0.01);
  EXPECT_DOUBLE_EQ(added, 0.01);
  factor(matrix, n, added);
  for (size_t i = 0; i < n; ++i) {
    EXPECT_GE(matrix[i * n + i] * matrix[i * n + i], smallest_pivot(1.01, added));
    for (size_t j = 0; j <= i; ++j) EXPECT_LE(std::abs(matrix[i * n + j]), 1.2);
  }
}

// Sums of floats whose inputs hardly vary around a large mean: eigenvalues below zero, beyond what damping adds.
TEST(Sweep, FactorsMomentsThatAreRoundingWithoutGrowth) {
  constexpr int kWidth = 5;
  std::vector<double> moments(kWidth * kWidth, 1.1);
  for (int i = 0; i < kWidth; ++i) moments[static_cast<size_t>(i * kWidth + i)] = 1;
  const MomentFactor factor = factor_moments(moments, kWidth, 0.01);
  for (const double number : factor.factor) EXPECT_LE(std::abs(number), 1.2);
}

// Moments of few patterns among many inputs, whose sums are off in one direction by several times what damping adds.
std::vector<double> moments_off_by(double error, size_t n) {
  constexpr size_t kPatterns = 8;
  Random random(5);
  std::vector<double> patterns(n * kPatterns), off(n), moments(n * n);
  for (double& number : patterns) number = random.normal();
  for (double& number : off) number = random.normal() / std::sqrt(static_cast<double>(n));
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j < n; ++j) {
      for (size_t k = 0; k < kPatterns; ++k)
        moments[i * n + j] += patterns[i * kPatterns + k] * patterns[j * kPatterns + k];
      moments[i * n + j] -= error * off[i] * off[j];
    }
  }
  return moments;
}

TEST(Moments, FactorsAddWhatSumsAreOffBy) {
  constexpr size_t n = 60;
  std::vector<double> matrix = moments_off_by(0.5, n);
  const double added = damp(matrix, n, 0.01);
  ASSERT_LT(added, 0.2);
  std::vector<double> factored = matrix, solution(n, 1.0);
  const double more = factor(factored, n, added);
  EXPECT_GT(added + more, 0.4);
  EXPECT_LT(added + more, 2.0);
  solve(factored, n, solution);
  for (size_t i = 0; i < n; ++i) {
    double side = more * solution[i];
    for (size_t j = 0; j < n; ++j) side += matrix[i * n + j] * solution[j];
    EXPECT_NEAR(side, 1.0, 1e-9);
  }
  std::vector<double> definite = moments_off_by(0.5, n);
  EXPECT_DOUBLE_EQ(damp_until_definite(definite, n, 0.01), added + more);
  EXPECT_EQ(factor(definite, n, added + more), 0);
}

TEST(Sweep, FactorsAddWhatSumsAreOffBy) {
  constexpr int n = 60;
  const std::vector<double> moments = moments_off_by(0.5, n);
  const MomentFactor made = factor_moments(moments, n, 0.01);
  EXPECT_GT(made.added, 0.4);
  EXPECT_LT(made.added, 2.0);
  const auto entry = [&](int p, int q) { return made.factor[static_cast<size_t>(p * made.stride + q)]; };
  for (int p = 0; p < n; ++p) {
    for (int q = p; q < n; ++q) {
      double product = 0;
      for (int k = 0; k <= p; ++k) product += entry(k, p) * entry(k, q);
      const double moment =
          moments[static_cast<size_t>(made.order[static_cast<size_t>(p)] * n + made.order[static_cast<size_t>(q)])];
      EXPECT_NEAR(product, moment + (p == q ? made.added : 0), 1e-10);
    }
  }
}

// The same by the other factor, in which a pivot may also be little more than nothing.
TEST(Moments, FactorsRoundingWithoutGrowth) {
  constexpr size_t kWidth = 5;
  std::vector<double> moments(kWidth * kWidth, 1.0099);
  for (size_t i = 0; i < kWidth; ++i) moments[i * (kWidth + 1)] = 1;
  const double added = damp(moments, kWidth, 0.01);
  std::vector<double> bounded = moments, grown = moments;
  factor(bounded, kWidth, added);
  factor(grown, kWidth);
  const auto largest = [](const std::vector<double>& triangle) {
    std::vector<double> b = {1, -1, 1, -1, 1};
    solve(triangle, kWidth, b);
    double most = 0;
    for (const double x : b) most = std::max(most, std::abs(x));
    return most;
  };
  EXPECT_LT(largest(bounded), 2 / added);
  EXPECT_GT(largest(grown), 10 / added);
  // A matrix that is regular is factored all the same.
  std::vector<double> plain = {2, 1, 1, 2}, limited = plain;
  factor(plain, 2);
  factor(limited, 2, 2e-3);
  EXPECT_EQ(plain, limited);
}

TEST(Sweep, IsBetterThanRoundingAndNearTheOptimumWithDescent) {
  double swept = 0, nearest = 0, optimal = 0;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    Random random(seed);
    const std::vector<double> wanted = normals(3, random), moments = random_moments(3, random);
    std::vector<double> values(3), rounded(3);
    Integers integers;
    for (int k = 0; k < 3; ++k)
      rounded[static_cast<size_t>(k)] = integers.project(0, k, wanted[static_cast<size_t>(k)]);
    const Row row = {wanted, values};
    const std::vector<double> errors = sweep({&row, 1}, factor_moments(moments, 3, 0), integers);
    EXPECT_NEAR(errors[0], error_of(wanted, values, moments), 1e-9 * (1 + errors[0]));
    const double before = errors[0];
    for (int round = 0; round < 20 && descend(row, moments, integers, 0); ++round) continue;
    const double after = error_of(wanted, values, moments), least = least_error(wanted, moments);
    EXPECT_LE(after, before + 1e-12);
    EXPECT_GE(after, least - 1e-12);
    swept += after;
    nearest += error_of(wanted, rounded, moments);
    optimal += least;
  }
  EXPECT_LT(swept, 0.7 * nearest);
  EXPECT_LT(swept, 1.5 * optimal);
}

TEST(Sweep, DescentNeverMakesARowWorse) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    Random random(seed);
    const std::vector<double> wanted = normals(20, random), moments = random_moments(20, random);
    Integers integers;
    std::vector<double> values(20);
    for (int k = 0; k < 20; ++k)
      values[static_cast<size_t>(k)] = integers.project(0, k, wanted[static_cast<size_t>(k)]);
    double before = error_of(wanted, values, moments);
    while (descend({wanted, values}, moments, integers, 0)) {
      const double now = error_of(wanted, values, moments);
      ASSERT_LT(now, before);
      before = now;
    }
  }
}

TEST(Sweep, WithAMaskDescentComesToTheLeastSquares) {
  Random random(3);
  const std::vector<double> wanted = normals(6, random), moments = random_moments(6, random);
  const std::vector<bool> kept = {true, false, true, true, false, true};
  Mask mask(kept);
  std::vector<double> values(6);
  const Row row = {wanted, values};
  sweep({&row, 1}, factor_moments(moments, 6, 0), mask);
  for (int round = 0; round < 20000 && descend(row, moments, mask, 0); ++round) continue;
  // The gradient is zero for what is kept.
  for (size_t k = 0; k < 6; ++k) {
    if (!kept[k]) {
      EXPECT_EQ(values[k], 0);
      continue;
    }
    double gradient = 0;
    for (size_t j = 0; j < 6; ++j) gradient += moments[k * 6 + j] * (wanted[j] - values[j]);
    EXPECT_NEAR(gradient, 0, 1e-3);
  }
}

TEST(Sweep, ThreadsDoNotMatter) {
  Random random(5);
  const std::vector<double> wanted = normals(200 * 40, random), moments = random_moments(40, random);
  const MomentFactor factor = factor_moments(moments, 40);
  std::vector<std::vector<double>> results;
  for (const int threads : {0, 1, 3}) {
    std::vector<double> values(wanted.size());
    std::vector<Row> rows;
    for (size_t r = 0; r < 200; ++r) {
      rows.push_back({std::span(wanted).subspan(r * 40, 40), std::span(values).subspan(r * 40, 40)});
    }
    Integers integers;
    ThreadPool pool(std::max(1, threads));
    sweep(rows, factor, integers, threads == 0 ? nullptr : &pool);
    results.push_back(values);
  }
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
}

ir::Graph network() {
  auto graph = ir::parse(R"(graph @net(%x: f32[N,3,6,6]) -> (y) {
  %w1 = constant random(seed=1) : f32[4,3,3,3]
  %w2 = constant random(seed=2) : f32[4,4,1,1]
  %w3 = constant random(seed=3) : f32[4,4,1,1]
  %w4 = constant random(seed=4) : f32[40,4,1,1]
  %c1 = conv %x, %w1 : f32[N,4,4,4] @"a"
  %c2 = conv %c1, %w2 : f32[N,4,4,4] @"b"
  %c3 = conv %c1, %w3 : f32[N,4,4,4] @"c"
  %s = add %c2, %c3 : f32[N,4,4,4]
  %y = conv %s, %w4 : f32[N,40,4,4] @"d"
  return %y
}
)");
  EXPECT_TRUE(graph.ok()) << graph.error().message;
  EXPECT_TRUE(ops::infer_types(*graph).ok());
  return std::move(*graph);
}

std::vector<ir::Node*> layers_of(ir::Graph& graph) {
  std::vector<ir::Node*> layers;
  for (ir::Node& node : graph.nodes()) {
    if (node.is(ir::OpKind::conv)) layers.push_back(&node);
  }
  return layers;
}

TEST(Stages, HoldLayersThatDoNotReadEachOther) {
  ir::Graph graph = network();
  const auto names = [&](int most) {
    std::string text;
    for (const auto& stage : stages_of(graph, layers_of(graph), most)) {
      for (const ir::Node* node : stage) text += node->name();
      text += " ";
    }
    return text;
  };
  EXPECT_EQ(names(0), "a bc d ");
  EXPECT_EQ(names(5), "a bc d ");
  EXPECT_EQ(names(2), "abc d ");
  EXPECT_EQ(names(1), "abcd ");
}

TEST(Shortcut, IsWhatEarlierLayersMake) {
  auto graph = ir::parse(R"(graph @net(%x: f32[N,4,6,6]) -> (y) {
  %w1 = constant random(seed=1) : f32[4,4,1,1]
  %w2 = constant random(seed=2) : f32[4,4,1,1]
  %w3 = constant random(seed=3) : f32[4,4,1,1]
  %w4 = constant random(seed=4) : f32[4,4,1,1]
  %w5 = constant random(seed=5) : f32[4,4,1,1]
  %c1 = conv %x, %w1 : f32[N,4,6,6] @"a"
  %c2 = conv %c1, %w2 : f32[N,4,6,6] @"b"
  %c3 = conv %c1, %w3 : f32[N,4,6,6] @"c"
  %c4 = conv %c2, %w4 : f32[N,4,6,6] @"d"
  %s = add %c3, %c4 : f32[N,4,6,6]
  %c5 = conv %s, %w5 : f32[N,4,6,6] @"e"
  %y = add %c5, %s : f32[N,4,6,6]
  return %y
}
)");
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  ASSERT_TRUE(ops::infer_types(*graph).ok());
  std::string found;
  for (const ir::Node* layer : layers_of(*graph)) {
    const ir::Value* shortcut = shortcut_of(*graph, layers_of(*graph), *layer);
    found += layer->name() + ":" + (shortcut == nullptr ? "-" : shortcut->name()) + " ";
  }
  EXPECT_EQ(found, "a:- b:- c:- d:c3 e:s ");
}

TEST(Gram, WideAndNarrowBlocksAddTheSame) {
  auto graph = ir::parse(R"(graph @net(%x: f32[N,90]) -> (y) {
  %w = constant random(seed=1) : f32[90,2]
  %y = mat_mul %x, %w : f32[N,2]
  return %y
}
)");
  ASSERT_TRUE(graph.ok());
  ASSERT_TRUE(ops::infer_types(*graph).ok());
  const ir::Node* layer = nullptr;
  for (const ir::Node& node : graph->nodes()) {
    if (node.is(ir::OpKind::mat_mul)) layer = &node;
  }
  Random random(9);
  std::vector<float> current(50 * 90 + quantize::LayerInputs::kReadAhead), reference(current);
  for (float& value : current) value = static_cast<float>(random.normal());
  for (float& value : reference) value = static_cast<float>(random.normal());
  const Gram::Sample rows[] = {{std::span(current).first(50 * 90), {}}},
                     targets[] = {{std::span(reference).first(50 * 90), {}}};
  ThreadPool pool(1);
  Gram wide(*layer, 1, 1280, 4), narrow(*layer, 1, 30, 4);
  wide.add(rows, targets, pool);
  narrow.add(rows, targets, pool);
  ASSERT_EQ(narrow.inputs().blocks().size(), 3u);
  const std::vector<double> whole = wide.differences(0, 0, true), part = narrow.differences(1, 0, true);
  for (size_t i = 0; i < 30; ++i) {
    for (size_t j = 0; j < 30; ++j) EXPECT_NEAR(part[i * 30 + j], whole[(i + 30) * 90 + j + 30], 1e-5);
  }
}

}  // namespace
}  // namespace edgesmith::passes::reconstruct
