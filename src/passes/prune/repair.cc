// SPDX-License-Identifier: Apache-2.0
#include "passes/prune/repair.h"

#include <algorithm>

#include "edgesmith/base/interruptible.h"
#include "passes/prune/obs.h"
#include "passes/prune/scores.h"
#include "passes/reconstruct/aim.h"
#include "passes/reconstruct/moments.h"

namespace edgesmith::passes::prune {
namespace {

// For the aim, as when weights are rounded: what differs behind the prefix is known less well than the inputs.
constexpr double kAimDamping = 0.01;

// Turns for every weight that is gone to come back for another; few rows want more.
constexpr int kExchangeRounds = 3;

using Block = quantize::LayerInputs::Block;

// Which group of the pattern every weight of a row belongs to: neighbours along the input channels.
std::vector<int> groups_of(const Layer& layer, const Pattern& pattern) {
  std::vector<int> groups(static_cast<size_t>(layer.width));
  for (int64_t k = 0; k < layer.width; ++k) {
    const int64_t channel = k / layer.group_step, tap = k % layer.group_step;
    groups[static_cast<size_t>(k)] = static_cast<int>(channel / pattern.of * layer.group_step + tap);
  }
  return groups;
}

// The mask of one row by the pattern. Those of `zeros` went before.
std::vector<bool> choose(std::span<const double> row, std::span<const double> inverse, const std::vector<int>& groups,
                         const Pattern& pattern, const std::vector<int>& zeros) {
  const RemovalTrace trace =
      trace_removals(row, inverse, static_cast<int>(row.size()), groups, pattern.of - pattern.keep, zeros);
  std::vector<bool> kept(row.size(), true);
  for (const int gone : trace.order) kept[static_cast<size_t>(gone)] = false;
  return kept;
}

// All of the way. Zeros leave errors so large that this is as good as going the share that the samples tell: ResNet-20
// on 5000 other training pictures with 80 % zeros 12.61 dB beside 12.54, with 50 % 22.86 beside 22.84.
void aim_at_float(Layer& layer, const reconstruct::Gram& gram, bool centred, ThreadPool& pool) {
  std::vector<std::vector<double>> moments;
  std::vector<reconstruct::Damped> damped;
  for (const Block& block : gram.inputs().blocks()) {
    moments.push_back(gram.moments(block, centred));
    const double added = reconstruct::damp(moments.back(), static_cast<size_t>(block.width), kAimDamping);
    damped.push_back({moments.back(), added});
  }
  const std::vector<double> change = reconstruct::find_change(gram, centred, damped, layer.weights, pool);
  for (size_t k = 0; k < change.size(); ++k) layer.weights[k] += change[k];
}

}  // namespace

std::vector<double> repair(Layer& layer, const reconstruct::Gram& gram, const MaskChoice& choice, ThreadPool& pool) {
  const quantize::LayerInputs& inputs = gram.inputs();
  const bool centred = has_bias_operand(layer);
  const std::vector<double> before = layer.weights;
  const Moments moments = layer_moments(layer, inputs);
  const int64_t per_group = layer.outputs / inputs.groups();
  const bool whole = inputs.blocks().size() == static_cast<size_t>(inputs.groups());  // a row is one block
  const bool may = whole && layer.zeros() > 0 && affordable(layer, inputs);
  const bool choosing = may && choice.pattern && layer.group_size % choice.pattern->of == 0;
  const bool exchanging = may && (choosing || choice.exchange);
  std::vector<int> groups(static_cast<size_t>(layer.width), 0);
  if (choosing) groups = groups_of(layer, *choice.pattern);
  if (gram.differs()) aim_at_float(layer, gram, centred, pool);
  for (size_t b = 0; b < moments.size(); ++b) {
    const Block& block = inputs.blocks()[b];
    const auto width = static_cast<size_t>(block.width);
    const std::vector<double> inverse = choosing ? reconstruct::inverse(moments[b], width) : std::vector<double>{};
    std::vector<std::vector<bool>> masks(static_cast<size_t>(per_group));  // rows share words of layer.kept
    interruptible_for(pool, per_group, [&](int64_t index, int) {
      const auto at = static_cast<size_t>((block.group * per_group + index) * layer.width + block.first);
      const std::span<double> row = std::span(layer.weights).subspan(at, width);
      std::vector<int> zeros;
      for (size_t i = 0; exchanging && i < width; ++i) {
        if (before[at + i] == 0) zeros.push_back(static_cast<int>(i));
      }
      std::vector<bool>& kept = masks[static_cast<size_t>(index)];
      if (choosing) {
        kept = choose(row, inverse, groups, *choice.pattern, zeros);
      } else {
        kept.assign(layer.kept.begin() + static_cast<int64_t>(at),
                    layer.kept.begin() + static_cast<int64_t>(at + width));
      }
      if (exchanging) {
        std::vector<int> own_groups = groups;
        for (const int zero : zeros) own_groups[static_cast<size_t>(zero)] = -1;
        exchange_removals(row, moments[b], own_groups, kExchangeRounds, kept);
      }
      refit(row, kept, 0, moments[b]);
    });
    for (int64_t m = 0; exchanging && m < per_group; ++m) {
      const std::vector<bool>& kept = masks[static_cast<size_t>(m)];
      std::copy(kept.begin(), kept.end(), layer.kept.begin() + (block.group * per_group + m) * layer.width);
    }
  }
  return centred ? gram.bias_change(before, layer.weights) : std::vector<double>{};
}

}  // namespace edgesmith::passes::prune
