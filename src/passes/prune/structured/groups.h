// SPDX-License-Identifier: Apache-2.0
// Channels that may go, in groups that are alike.
//
// A *unit* is a set of coupled channels (channel_map.h): they go together. Units whose channels lie in the same values
// form a *group*: the inner channels of a residual block, or all channels of the sum that its blocks add to.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "passes/channels/channel_map.h"

namespace edgesmith::passes::prune {

/// A layer with weights that mixes channels: Conv, ConvTranspose, Gemm or MatMul.
struct MixLayer {
  ir::Node* node = nullptr;
  ops::Mixing mixing;
  int input_space = -1;                       ///< index among the map's spaces; -1: its input channels are not tracked
  int output_space = -1;                      ///< never -1
  int64_t outputs = 0, inputs = 0, taps = 1;  ///< of all groups
  int64_t groups = 1;                         ///< whose channels are mixed apart (even_groups.h)
};

struct ChannelGroup {
  std::string name;                             ///< of its first layer
  std::vector<std::vector<int>> units;          ///< channel ids of each
  std::vector<std::pair<int, int64_t>> spaces;  ///< space, and how many channels of it a unit has
  std::vector<int> makers, readers;             ///< indices of layers
  std::string reason;                           ///< why no unit may go; "" when units may
};

/// The layers of the map in graph order.
std::vector<MixLayer> find_layers(ir::Graph& graph, const ChannelMap& map);
/// The groups in order of their first channels. `selected` by node id: channels of other layers all stay.
std::vector<ChannelGroup> find_groups(const ChannelMap& map, const std::vector<MixLayer>& layers,
                                      const std::vector<bool>& selected);

}  // namespace edgesmith::passes::prune
