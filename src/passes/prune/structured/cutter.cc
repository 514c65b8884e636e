// SPDX-License-Identifier: Apache-2.0
#include "passes/prune/structured/cutter.h"

#include <algorithm>

#include "passes/channels/remove_channels.h"

namespace edgesmith::passes::prune {

std::vector<bool> Cutter::channels_gone(const std::vector<int64_t>& removed) const {
  std::vector<bool> gone(static_cast<size_t>(candidates_.map.num_channels()), false);
  for (size_t g = 0; g < candidates_.groups.size(); ++g) {
    for (int64_t i = 0; i < removed[g]; ++i) {
      for (const int channel : candidates_.groups[g].units[traces_[g].order[static_cast<size_t>(i)]])
        gone[static_cast<size_t>(channel)] = true;
    }
  }
  return gone;
}

std::vector<std::vector<int64_t>> Cutter::channels_kept(const std::vector<int64_t>& removed) const {
  const std::vector<bool> gone = channels_gone(removed);
  std::vector<std::vector<int64_t>> kept;
  for (const ChannelSpace& space : candidates_.map.spaces()) {
    kept.emplace_back();
    for (int64_t c = 0; c < space.size; ++c) {
      if (!gone[static_cast<size_t>(space.first + c)]) kept.back().push_back(c);
    }
  }
  return kept;
}

Status Cutter::cut(ir::Graph& graph, const std::vector<int64_t>& removed) const {
  const ChannelMap map(graph, candidates_.grouped);
  const std::vector<MixLayer> layers = find_layers(graph, map);
  const std::vector<bool> gone = channels_gone(removed);
  for (size_t l = 0; refit_ && l < layers.size(); ++l) {
    if (layers[l].input_space < 0 || !sums_.observed(l)) continue;
    const ChannelSpace& space = map.spaces()[static_cast<size_t>(layers[l].input_space)];
    Linear linear = read_linear(layers[l]);
    std::vector<bool> kept;
    for (int64_t c = 0; c < space.size; ++c) {
      kept.insert(kept.end(), static_cast<size_t>(linear.step), !gone[static_cast<size_t>(space.first + c)]);
    }
    if (std::find(kept.begin(), kept.end(), false) == kept.end()) continue;
    const Linear before = linear;
    refit_kept(linear, kept, sums_.moments(layers[l], l, linear), pool_);
    write_linear(graph, layers[l], linear, mean_change(layers[l], before, linear, sums_.of(l)));
  }
  return remove_channels(graph, map, gone);
}

}  // namespace edgesmith::passes::prune
