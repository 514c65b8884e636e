// SPDX-License-Identifier: Apache-2.0
// Layers that make up for the ones before them, against maps and noise that are known.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <tuple>

#include "edgesmith/base/random.h"
#include "edgesmith/ir/text.h"
#include "edgesmith/ops/op_info.h"
#include "passes/reconstruct/aim.h"

namespace edgesmith::passes::reconstruct {
namespace {

std::vector<double> normals(size_t count, Random& random) {
  std::vector<double> out;
  for (size_t i = 0; i < count; ++i) out.push_back(random.normal());
  return out;
}

// One layer alone.
ir::Graph product(int inputs, int outputs) {
  const std::string n = std::to_string(inputs), m = std::to_string(outputs);
  auto graph = ir::parse("graph @net(%x: f32[N," + n + "]) -> (y) {\n  %w = constant random(seed=1) : f32[" + n + "," +
                         m + "]\n  %y = mat_mul %x, %w : f32[N," + m + "]\n  return %y\n}\n");
  EXPECT_TRUE(graph.ok()) << graph.error().message;
  EXPECT_TRUE(ops::infer_types(*graph).ok());
  return std::move(*graph);
}

const ir::Node& layer_of(const ir::Graph& graph) {
  const ir::Node* layer = nullptr;
  for (const ir::Node& node : graph.nodes()) {
    if (node.is(ir::OpKind::mat_mul)) layer = &node;
  }
  return *layer;
}

// Moves the weights with moments that are not damped; the share.
double aimed(const Gram& gram, bool centred, std::vector<double>& weights, ThreadPool& pool) {
  std::vector<std::vector<double>> moments;
  for (const Gram::Block& block : gram.inputs().blocks()) moments.push_back(gram.moments(block, centred));
  std::vector<Damped> by_block;
  for (const std::vector<double>& block : moments) by_block.push_back({block});
  const Aim aim = find_aim(gram, centred, by_block, weights, pool);
  const std::vector<double> change = find_change(gram, centred, by_block, weights, pool);
  for (size_t k = 0; k < change.size(); ++k) EXPECT_NEAR(change[k], aim.change[k], 1e-9) << "the same by half the work";
  aim.move(weights);
  return aim.share;
}

TEST(Aim, MovesToWhatTheFloatModelGives) {
  ir::Graph graph = product(4, 40);
  const ir::Node& layer = layer_of(graph);
  // The float model's inputs are a linear map of those that the layer gets: the map can be undone.
  Random random(7);
  const size_t n = 4, count = 400;
  const std::vector<double> map = normals(n * n, random);
  std::vector<float> current(count * n + quantize::LayerInputs::kReadAhead), reference(current);
  for (size_t r = 0; r < count; ++r) {
    for (size_t i = 0; i < n; ++i) current[r * n + i] = static_cast<float>(random.normal() + 1);
    for (size_t i = 0; i < n; ++i) {
      double sum = 0;
      for (size_t j = 0; j < n; ++j) sum += map[i * n + j] * current[r * n + j];
      reference[r * n + i] = static_cast<float>(sum);
    }
  }
  ThreadPool pool(2);
  Gram gram(layer, 10, 1280, 4);
  const Gram::Sample rows = {std::span(current).first(count * n), {}},
                     targets = {std::span(reference).first(count * n), {}};
  gram.add({{rows, rows}}, {{targets, targets}}, pool);  // both halves say the same
  EXPECT_TRUE(gram.differs());
  const auto outputs = static_cast<size_t>(gram.inputs().outputs());
  for (const bool centred : {false, true}) {
    std::vector<double> weights = normals(outputs * n, random), expected(outputs * n, 0.0);
    for (size_t m = 0; m < outputs; ++m) {
      for (size_t i = 0; i < n; ++i) {
        for (size_t j = 0; j < n; ++j) expected[m * n + j] += weights[m * n + i] * map[i * n + j];
      }
    }
    EXPECT_NEAR(aimed(gram, centred, weights, pool), 1, 1e-6);
    for (size_t k = 0; k < weights.size(); ++k) EXPECT_NEAR(weights[k], expected[k], 1e-3) << centred;
  }
}

// Random rows of a layer with `n` inputs and `outputs` outputs: what the float model gives differs by linear maps of
// the inputs, plus constants.
struct ResidualRows {
  size_t n, outputs, count = 400;
  std::vector<double> of_inputs, of_shortcut, constants;  // differences of inputs and shortcut for inputs x
  std::vector<float> current, reference, shortcut, wanted;

  ResidualRows(size_t n, size_t outputs, Random& random) : n(n), outputs(outputs) {
    of_inputs = normals(n * n, random);
    of_shortcut = normals(outputs * n, random);
    constants = normals(outputs, random);
    current.resize(count * n + quantize::LayerInputs::kReadAhead);
    reference.resize(current.size());
    shortcut.resize(count * outputs);
    wanted.resize(shortcut.size());
    for (size_t r = 0; r < count; ++r) {
      for (size_t i = 0; i < n; ++i) current[r * n + i] = static_cast<float>(random.normal() + 1);
      const auto map = [&](const std::vector<double>& matrix, size_t row) {
        double sum = 0;
        for (size_t j = 0; j < n; ++j) sum += matrix[row * n + j] * current[r * n + j];
        return sum;
      };
      for (size_t i = 0; i < n; ++i) {
        reference[r * n + i] = static_cast<float>(current[r * n + i] + map(of_inputs, i));
      }
      for (size_t m = 0; m < outputs; ++m) {
        shortcut[r * outputs + m] = static_cast<float>(random.normal());
        wanted[r * outputs + m] = static_cast<float>(shortcut[r * outputs + m] + map(of_shortcut, m) + constants[m]);
      }
    }
  }
};

TEST(Aim, CountsTheShortcut) {
  ir::Graph graph = product(4, 4);
  const ir::Node& layer = layer_of(graph);
  Random random(11);
  const ResidualRows rows(4, 4, random);
  const size_t n = rows.n;
  const Gram::Sample current = {std::span(rows.current).first(rows.count * n), rows.shortcut},
                     reference = {std::span(rows.reference).first(rows.count * n), rows.wanted};
  ThreadPool pool(2);
  Gram gram(layer, 10, 1280, 4, true);
  gram.add({{current, current}}, {{reference, reference}}, pool);
  const std::vector<double> weights = normals(rows.outputs * n, random);
  std::vector<double> moved = weights;
  EXPECT_NEAR(aimed(gram, true, moved, pool), 1, 1e-6);
  for (size_t m = 0; m < rows.outputs; ++m) {
    const std::span<const double> row = std::span(moved).subspan(m * n, n);
    for (size_t j = 0; j < n; ++j) {
      double expected = weights[m * n + j] + rows.of_shortcut[m * n + j];
      for (size_t i = 0; i < n; ++i) expected += weights[m * n + i] * rows.of_inputs[i * n + j];
      EXPECT_NEAR(row[j], expected, 1e-3);
    }
  }
  const std::vector<double> bias = gram.bias_change(weights, moved);
  for (size_t m = 0; m < rows.outputs; ++m) EXPECT_NEAR(bias[m], rows.constants[m], 1e-3);
}

// Inputs of unit variance, few of them, and float inputs that are a little of a fixed map of them plus noise: what the
// layer should make up for is known, and so is what `rows` rows leave to chance.
struct NoisyDifferences {
  size_t n = 64, rows = 0;
  double told = 0, noise = 0;  // scale of the map, deviation of the noise
  std::vector<double> map;

  // By how much the squared error of the output falls, on average over new inputs, and the share that is gone.
  std::pair<double, double> gain(const ir::Node& layer, uint64_t seed) const {
    Random random(seed);
    std::vector<float> x(rows * n + quantize::LayerInputs::kReadAhead), y(x);
    for (size_t r = 0; r < rows; ++r) {
      for (size_t i = 0; i < n; ++i) x[r * n + i] = static_cast<float>(random.normal());
      for (size_t i = 0; i < n; ++i) {
        double sum = noise * random.normal();
        for (size_t j = 0; j < n; ++j) sum += told * map[i * n + j] * x[r * n + j];
        y[r * n + i] = static_cast<float>(x[r * n + i] + sum);
      }
    }
    ThreadPool pool(2);
    Gram gram(layer, 2, 1280, 4);
    std::vector<Gram::Sample> current, reference;
    for (size_t at = 0; at < rows * n; at += rows * n / 2) {
      current.push_back({std::span(x).subspan(at, rows * n / 2), {}});
      reference.push_back({std::span(y).subspan(at, rows * n / 2), {}});
    }
    gram.add(current, reference, pool);
    const std::vector<double> weights = normals(static_cast<size_t>(gram.inputs().outputs()) * n, random);
    std::vector<double> moved = weights;
    const double share = aimed(gram, false, moved, pool);
    double before = 0, after = 0;
    for (size_t k = 0; k < weights.size(); ++k) {
      double ideal = 0;  // change that is best for all inputs there are
      for (size_t i = 0; i < n; ++i) ideal += weights[k / n * n + i] * told * map[i * n + k % n];
      before += ideal * ideal;
      after += (weights[k] + ideal - moved[k]) * (weights[k] + ideal - moved[k]);
    }
    return {(before - after) / static_cast<double>(weights.size()), share};
  }
};

TEST(Aim, GoesAsFarAsTheSamplesTell) {
  ir::Graph graph = product(64, 24);
  const ir::Node& layer = layer_of(graph);
  Random random(3);
  NoisyDifferences trial{.map = normals(64 * 64, random)};
  for (double& value : trial.map) value /= 8;  // rows of unit length
  // The change has the power told^2 and is known up to noise^2 * n / rows: their ratio is the best share.
  for (const auto& [rows, told, noise] :
       {std::tuple{2048, 0.1, 0.1}, {1024, 0.1, 0.4}, {1024, 0.02, 0.4}, {1024, 0.0, 0.4}}) {
    trial.rows = static_cast<size_t>(rows);
    trial.told = told;
    trial.noise = noise;
    const double chance = noise * noise * 64 / rows, best = told * told / (told * told + chance);
    double gain = 0, share = 0;
    constexpr int kTrials = 4;
    for (uint64_t seed = 1; seed <= kTrials; ++seed) {
      const auto [own_gain, own_share] = trial.gain(layer, seed);
      gain += own_gain / kTrials;
      share += own_share / kTrials;
    }
    SCOPED_TRACE("share " + std::to_string(share) + ", best " + std::to_string(best));
    EXPECT_NEAR(share, best, 0.06);
    // None of the way gains nothing, all of it told^2 - chance, and the best share told^2 * best.
    EXPECT_NEAR(gain, told * told * best, 0.05 * told * told + 0.05 * chance);
  }
}

TEST(Aim, OneSampleTellsNothing) {
  ir::Graph graph = product(4, 40);
  Random random(5);
  std::vector<float> current(40 * 4 + quantize::LayerInputs::kReadAhead), reference(current);
  for (float& value : current) value = static_cast<float>(random.normal());
  for (float& value : reference) value = static_cast<float>(random.normal());
  ThreadPool pool(1);
  Gram gram(layer_of(graph), 1, 1280, 4);
  const Gram::Sample rows[] = {{std::span(current).first(160), {}}},
                     targets[] = {{std::span(reference).first(160), {}}};
  gram.add(rows, targets, pool);
  const auto size = static_cast<size_t>(gram.inputs().outputs()) * 4;
  std::vector<double> weights = normals(size, random), moved = weights;
  EXPECT_EQ(aimed(gram, true, moved, pool), 0);
  EXPECT_EQ(moved, weights);
}

}  // namespace
}  // namespace edgesmith::passes::reconstruct
