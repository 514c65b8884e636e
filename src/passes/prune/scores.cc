// SPDX-License-Identifier: Apache-2.0
#include "passes/prune/scores.h"

#include <algorithm>
#include <cmath>

#include "edgesmith/base/interruptible.h"
#include "passes/prune/obs.h"
#include "passes/reconstruct/moments.h"

namespace edgesmith::passes::prune {
namespace {

using reconstruct::damp_until_definite, reconstruct::inverse;

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

// A score for every weight by itself.
void score_row(const std::string& criterion, std::span<const double> weights, std::span<const double> moments,
               std::span<const double> inverted, std::span<double> scores) {
  const size_t n = weights.size();
  for (size_t i = 0; i < n; ++i) {
    const double square = weights[i] * weights[i];
    scores[i] = criterion == "wanda" ? square * moments[i * n + i] : square / inverted[i * n + i];
  }
}

// A removal's score is what it adds; what goes later never has a smaller one.
void score_trace(const RemovalTrace& trace, std::span<double> scores) {
  double largest = 0;
  for (size_t step = 0; step < trace.order.size(); ++step) {
    largest = std::max(largest, trace.added[step]);
    scores[static_cast<size_t>(trace.order[step])] = largest;
  }
}

std::vector<double> sum_blocks(const std::vector<double>& by_weight, const Blocks& blocks) {
  if (blocks.size() == 1) return by_weight;
  std::vector<double> sums(blocks.count(), 0.0);
  for (size_t b = 0; b < sums.size(); ++b) {
    for (size_t i = 0; i < blocks.size(); ++i) sums[b] += by_weight[blocks.weight(b, i)];
  }
  return sums;
}

// Every power divided by the sum of those that are not smaller; among equal ones the first counts as smaller.
std::vector<double> lamp(const std::vector<double>& powers) {
  std::vector<size_t> order(powers.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return powers[a] < powers[b]; });
  std::vector<double> scores(powers.size());
  double sum = 0;
  for (size_t i = order.size(); i-- > 0;) {
    sum += powers[order[i]];
    scores[order[i]] = sum > 0 ? powers[order[i]] / sum : 0;
  }
  return scores;
}

// All blocks of the rows that lose them together, in the order in which they go.
std::vector<double> trace_scores(const Layer& layer, const Blocks& blocks, const BlockShape& shape,
                                 const quantize::LayerInputs& inputs, const Moments& moments, ThreadPool& pool) {
  std::vector<double> scores(blocks.count());
  const auto width = static_cast<size_t>(layer.width), rows = static_cast<size_t>(shape.outputs);
  const size_t per_rows = width / static_cast<size_t>(shape.inputs);  // blocks that some rows have together
  for (size_t b = 0; b < moments.size(); ++b) {
    const std::vector<double> inverted = inverse(moments[b], width);
    const auto [first, count] = rows_of(layer, inputs, inputs.blocks()[b]);
    interruptible_for(pool, count / shape.outputs, [&, first_row = first](int64_t index, int) {
      const size_t row = static_cast<size_t>(first_row) + static_cast<size_t>(index) * rows;
      const size_t first_block = row / rows * per_rows;
      std::vector<int> columns;
      for (size_t block = first_block; block < first_block + per_rows; ++block) {
        for (size_t i = 0; i < static_cast<size_t>(shape.inputs); ++i) {
          columns.push_back(static_cast<int>(blocks.weight(block, i) - row * width));
        }
      }
      const auto weights = std::span(layer.weights).subspan(row * width, rows * width);
      score_trace(trace_blocks(weights, inverted, columns, static_cast<size_t>(shape.inputs)),
                  std::span(scores).subspan(first_block, per_rows));
    });
  }
  return scores;
}

}  // namespace

bool affordable(const Layer& layer, const quantize::LayerInputs& inputs, int together) {
  double work = 0;
  for (const Block& block : inputs.blocks()) {
    work += static_cast<double>(rows_of(layer, inputs, block).second) * std::pow(block.width, 3) / 3;
  }
  return work <= kMostWork * together;
}

Moments layer_moments(const Layer& layer, const quantize::LayerInputs& inputs) {
  Moments out;
  for (const Block& block : inputs.blocks()) {
    out.push_back(inputs.moments(block, has_bias_operand(layer)));
    damp_until_definite(out.back(), static_cast<size_t>(block.width), kDamping);
  }
  return out;
}

std::vector<double> output_power(const Layer& layer, const quantize::LayerInputs& inputs, const Moments& moments) {
  std::vector<double> powers(static_cast<size_t>(inputs.groups()), 0.0);
  for (size_t b = 0; b < moments.size(); ++b) {
    const Block& block = inputs.blocks()[b];
    const auto [first, count] = rows_of(layer, inputs, block);
    double& power = powers[static_cast<size_t>(block.group)];
    for (int64_t m = first; m < first + count && !interrupted(); ++m) {
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

std::vector<double> score_blocks(const Layer& layer, const Blocks& blocks, const BlockShape& shape,
                                 const std::string& criterion, const quantize::LayerInputs* inputs,
                                 const Moments& moments, bool one_by_one, ThreadPool& pool) {
  std::vector<double> scores(layer.weights.size());
  if (criterion == "magnitude" || criterion == "lamp") {
    const bool squares = criterion == "lamp";
    for (size_t i = 0; i < scores.size(); ++i) {
      scores[i] = squares ? layer.weights[i] * layer.weights[i] : std::fabs(layer.weights[i]);
    }
    scores = sum_blocks(scores, blocks);
    return squares ? lamp(scores) : scores;
  }
  const bool whole = inputs->blocks().size() == static_cast<size_t>(inputs->groups());  // a row is one block of moments
  const bool trace = criterion == "obs" && one_by_one && affordable(layer, *inputs, shape.outputs);
  if (trace && whole && shape.size() > 1) return trace_scores(layer, blocks, shape, *inputs, moments, pool);
  for (size_t b = 0; b < moments.size(); ++b) {
    const Block& block = inputs->blocks()[b];
    const auto width = static_cast<size_t>(block.width);
    const std::vector<double> inverted = criterion == "obs" ? inverse(moments[b], width) : std::vector<double>{};
    const auto [first, count] = rows_of(layer, *inputs, block);
    interruptible_for(pool, count, [&, first_row = first](int64_t index, int) {
      const auto at = static_cast<size_t>((first_row + index) * layer.width + block.first);
      const auto weights = std::span(layer.weights).subspan(at, width);
      const auto own = std::span(scores).subspan(at, width);
      if (trace && shape.size() == 1) {
        score_trace(trace_removals(weights, inverted, static_cast<int>(width)), own);
      } else {
        score_row(criterion, weights, moments[b], inverted, own);
      }
    });
  }
  return sum_blocks(scores, blocks);
}

}  // namespace edgesmith::passes::prune
