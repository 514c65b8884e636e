// SPDX-License-Identifier: Apache-2.0
#include "passes/prune/structured/refit.h"

#include <algorithm>

#include "edgesmith/base/interruptible.h"
#include "edgesmith/ops/op_info.h"
#include "passes/prune/structured/fit.h"
#include "passes/prune/structured/observe_rows.h"
#include "passes/reconstruct/moments.h"
#include "passes/reconstruct/shortage.h"

namespace edgesmith::passes::prune {
namespace {

using namespace reconstruct;

// Pulls the weights towards those that the float model's moments gave, by this share of the mean of the diagonal.
constexpr double kPull = 0.001;
// Multiply-adds that all sweeps may take together; beyond them several layers share one.
constexpr double kMostWork = 1.2e13;

// Layers that read something else than in the original, or give something else.
std::vector<size_t> layers_to_refit(const ir::Graph& graph, const std::vector<MixLayer>& layers,
                                    const std::vector<bool>& changed, const GoneBranches& gone) {
  std::vector<bool> other(static_cast<size_t>(graph.num_value_ids()), false);
  std::vector<int> layer_of(static_cast<size_t>(graph.num_node_ids()), -1);
  for (size_t l = 0; l < layers.size(); ++l) {
    if (layers[l].node != nullptr) layer_of[static_cast<size_t>(layers[l].node->id())] = static_cast<int>(l);
  }
  const std::vector<int> means = gone.sums_with_means();
  std::vector<size_t> out;
  for (const ir::Node& node : graph.nodes()) {
    bool differs = false;
    for (int i = 0; i < node.num_inputs(); ++i)
      differs = differs || (node.input(i) != nullptr && other[static_cast<size_t>(node.input(i)->id())]);
    const int l = layer_of[static_cast<size_t>(node.id())];
    for (int i = 0; i < node.num_outputs(); ++i)
      differs = differs || std::find(means.begin(), means.end(), node.output(i).id()) != means.end();
    if (l >= 0) {
      const int sum = residual_sum(node).id();
      differs = differs || gone.stands_for(sum) != sum;
      const int space = layers[static_cast<size_t>(l)].input_space;
      differs = differs || (space >= 0 && changed[static_cast<size_t>(space)]);
      if (differs && !node.is(ir::OpKind::conv_transpose)) out.push_back(static_cast<size_t>(l));
    }
    for (int i = 0; i < node.num_outputs(); ++i) other[static_cast<size_t>(node.output(i).id())] = differs;
  }
  return out;
}

double macs_of(const ir::Graph& graph) {
  double macs = 0;
  for (const ir::Node& node : graph.nodes()) macs += static_cast<double>(ops::cost_of(node).macs);
  return macs;
}

}  // namespace

void solve_layer(ir::Graph& graph, const MixLayer& layer, const RowSums& sums, ThreadPool& pool) {
  Linear linear = read_linear(layer);
  const auto n = static_cast<size_t>(linear.width);
  std::vector<double> means;
  const std::vector<double> moments = input_moments(sums, linear, linear.has_bias, means);
  std::vector<double> factored = moments;
  damp_moments(factored, means, kPull);
  factor(factored, n);
  std::vector<double> bias_change(linear.has_bias ? static_cast<size_t>(linear.outputs) : 0, 0.0);
  const ir::Value* bias = linear.has_bias ? layer.node->input(layer.mixing.bias) : nullptr;
  const std::vector<float> old = bias == nullptr ? std::vector<float>{} : bias->constant()->to_floats();
  interruptible_for(pool, linear.outputs, [&](int64_t m, int) {
    double* w = &linear.weights[static_cast<size_t>(m) * n];
    const int64_t column = linear.width + 1 + m;
    const double target = linear.has_bias ? sums.mean(linear.width, column) : 0.0;
    std::vector<double> rest(n);
    for (size_t i = 0; i < n; ++i) {
      if (!linear.reads(m, static_cast<int64_t>(i))) continue;
      rest[i] = sums.mean(static_cast<int64_t>(i), column) - means[i] * target;
      for (size_t j = 0; j < n; ++j) rest[i] -= moments[i * n + j] * w[j];
    }
    solve(factored, n, rest);
    double given = 0;
    for (size_t i = 0; i < n; ++i) {
      w[i] += rest[i];
      given += w[i] * means[i];
    }
    if (!linear.has_bias) return;
    const double before = old.empty() ? 0.0 : old[old.size() == 1 ? 0 : static_cast<size_t>(m)];
    bias_change[static_cast<size_t>(m)] = target - given - before;
  });
  write_linear(graph, layer, linear, bias_change);
}

Status refit_in_turn(ir::Graph& graph, const ir::Graph& original, std::vector<MixLayer> layers,
                     const std::vector<std::vector<int64_t>>& kept, const std::vector<bool>& changed,
                     const GoneBranches& gone, const quantize::Stream& stream, std::vector<std::string>& notes) {
  reconstruct::Shortage shortage;
  for (MixLayer& layer : layers) {
    if (layer.node == nullptr) continue;
    const ir::Dims& dims = layer.node->input(layer.mixing.weight)->constant()->dims();
    layer.inputs = dims[static_cast<size_t>(layer.mixing.weight_in_axis)] * layer.groups;
    layer.outputs = dims[static_cast<size_t>(layer.mixing.weight_out_axis)];
  }
  const std::vector<size_t> refitted = layers_to_refit(graph, layers, changed, gone);
  // A sweep runs half of both models on average.
  const double sweep = (macs_of(graph) + macs_of(original)) / 2 * static_cast<double>(stream.num_samples());
  const auto most = std::max<size_t>(1, static_cast<size_t>(kMostWork / std::max(1.0, sweep)));
  const size_t together = (refitted.size() + most - 1) / most;
  for (size_t first = 0; first < refitted.size(); first += together) {
    std::vector<WantedRows> wanted;
    for (size_t r = first; r < std::min(refitted.size(), first + together); ++r) {
      const MixLayer& layer = layers[refitted[r]];
      WantedRows want;
      want.layer = &layer;
      want.kept = kept[static_cast<size_t>(layer.output_space)];
      gone.aim(*layer.node, want);
      wanted.push_back(std::move(want));
    }
    EDGESMITH_TRY(observe_rows(graph, &original, wanted, stream));
    for (const WantedRows& want : wanted) {
      shortage.see(*want.layer->node, want.sums.num_rows(), inputs_of_row(*want.layer));
      solve_layer(graph, *want.layer, want.sums, stream.pool());
      EDGESMITH_TRY(check_interrupted());
    }
  }
  shortage.note(stream.num_samples(), notes);
  return {};
}

}  // namespace edgesmith::passes::prune
