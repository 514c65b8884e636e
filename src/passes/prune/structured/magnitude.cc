// SPDX-License-Identifier: Apache-2.0
#include "passes/prune/structured/magnitude.h"

#include <algorithm>
#include <numeric>

#include "passes/channels/layer_weights.h"

namespace edgesmith::passes::prune {

UnitTrace trace_by_magnitude(const ChannelGroup& group, const ChannelMap& map, const std::vector<MixLayer>& layers) {
  std::vector<double> power(group.units.size(), 0.0);
  for (const int maker : group.makers) {
    const MixLayer& layer = layers[static_cast<size_t>(maker)];
    const ChannelSpace& space = map.spaces()[static_cast<size_t>(layer.output_space)];
    const LayerWeights weights = layer_weights(*layer.node, layer.mixing);
    const double whole =
        std::inner_product(weights.numbers.begin(), weights.numbers.end(), weights.numbers.begin(), 0.0);
    for (size_t u = 0; u < group.units.size(); ++u) {
      for (const int channel : group.units[u]) {
        const int64_t m = channel - space.first;
        if (m < 0 || m >= space.size || whole == 0) continue;
        const float* row = weights.of(m, 0);
        const int64_t size = weights.inputs * weights.taps;
        power[u] += std::inner_product(row, row + size, row, 0.0) / whole;
      }
    }
  }
  UnitTrace trace;
  trace.order.resize(power.size());
  std::iota(trace.order.begin(), trace.order.end(), size_t{0});
  std::stable_sort(trace.order.begin(), trace.order.end(), [&](size_t a, size_t b) { return power[a] < power[b]; });
  trace.errors = {0.0};
  for (const size_t unit : trace.order) trace.errors.push_back(trace.errors.back() + power[unit]);
  return trace;
}

}  // namespace edgesmith::passes::prune
