// SPDX-License-Identifier: Apache-2.0
#include "passes/prune/scores.h"

#include <algorithm>
#include <cmath>

#include "passes/prune/obs.h"
#include "passes/reconstruct/moments.h"

namespace edgesmith::passes::prune {
namespace {

using reconstruct::damp, reconstruct::inverse;

constexpr double kDamping = 0.0005;
// Multiplications that tracing all rows of a layer may take: some ten seconds of a core.
constexpr double kMostWork = 6e10;
// Outputs below this are zero.
constexpr double kSmallestPower = 1e-300;

using Block = quantize::LayerInputs::Block;

// First row and number of rows of the group that a block belongs to.
std::pair<int64_t, int64_t> rows_of(const Layer& layer, const quantize::LayerInputs& inputs, const Block& block) {
  const int64_t per_group = layer.outputs / inputs.groups();
  return {block.group * per_group, per_group};
}

void score_row(const std::string& criterion, bool trace, std::span<const double> weights,
               std::span<const double> moments, std::span<const double> inverted, std::span<double> scores) {
  const size_t n = weights.size();
  if (criterion == "wanda") {
    for (size_t i = 0; i < n; ++i) scores[i] = weights[i] * weights[i] * moments[i * n + i];
    return;
  }
  if (!trace) {
    for (size_t i = 0; i < n; ++i) scores[i] = weights[i] * weights[i] / inverted[i * n + i];
    return;
  }
  const RemovalTrace removals = trace_removals(weights, inverted, static_cast<int>(n));
  double largest = 0;  // what goes later never has a smaller score
  for (size_t step = 0; step < n; ++step) {
    largest = std::max(largest, removals.added[step]);
    scores[static_cast<size_t>(removals.order[step])] = largest;
  }
}

}  // namespace

bool affordable(const Layer& layer, const quantize::LayerInputs& inputs) {
  double work = 0;
  for (const Block& block : inputs.blocks()) {
    work += static_cast<double>(rows_of(layer, inputs, block).second) * std::pow(block.width, 3) / 3;
  }
  return work <= kMostWork;
}

Moments layer_moments(const Layer& layer, const quantize::LayerInputs& inputs) {
  Moments out;
  for (const Block& block : inputs.blocks()) {
    out.push_back(inputs.moments(block, has_bias_operand(layer)));
    damp(out.back(), static_cast<size_t>(block.width), kDamping);
  }
  return out;
}

std::vector<double> output_power(const Layer& layer, const quantize::LayerInputs& inputs, const Moments& moments) {
  std::vector<double> powers(static_cast<size_t>(inputs.groups()), 0.0);
  for (size_t b = 0; b < moments.size(); ++b) {
    const Block& block = inputs.blocks()[b];
    const auto [first, count] = rows_of(layer, inputs, block);
    double& power = powers[static_cast<size_t>(block.group)];
    for (int64_t m = first; m < first + count; ++m) {
      const double* w = &layer.weights[static_cast<size_t>(m * layer.width + block.first)];
      for (int i = 0; i < block.width; ++i) {
        double sum = 0;
        const double* row = &moments[b][static_cast<size_t>(i) * static_cast<size_t>(block.width)];
        for (int j = 0; j < block.width; ++j) sum += row[j] * w[j];
        power += w[i] * sum;
      }
    }
  }
  return powers;
}

void make_relative(std::vector<double>& scores, const std::vector<double>& power) {
  const size_t per_group = scores.size() / power.size();
  for (size_t i = 0; i < scores.size(); ++i) {
    scores[i] /= std::max(power[i / per_group], kSmallestPower) * static_cast<double>(power.size());
  }
}

std::vector<double> score_weights(const Layer& layer, const std::string& criterion, const quantize::LayerInputs* inputs,
                                  const Moments& moments, bool one_by_one, ThreadPool& pool) {
  std::vector<double> scores(layer.weights.size());
  if (criterion == "magnitude") {
    for (size_t i = 0; i < scores.size(); ++i) scores[i] = std::fabs(layer.weights[i]);
    return scores;
  }
  const bool trace = one_by_one && affordable(layer, *inputs);
  for (size_t b = 0; b < moments.size(); ++b) {
    const Block& block = inputs->blocks()[b];
    const auto width = static_cast<size_t>(block.width);
    const std::vector<double> inverted = criterion == "obs" ? inverse(moments[b], width) : std::vector<double>{};
    const auto [first, count] = rows_of(layer, *inputs, block);
    pool.parallel_for(count, [&, first_row = first](int64_t index, int) {
      const auto at = static_cast<size_t>((first_row + index) * layer.width + block.first);
      score_row(criterion, trace, std::span(layer.weights).subspan(at, width), moments[b], inverted,
                std::span(scores).subspan(at, width));
    });
  }
  return scores;
}

}  // namespace edgesmith::passes::prune
