// SPDX-License-Identifier: Apache-2.0
// What is known of the numbers in each channel without running the model: bounds, and which channels of a value are
// equal.
#pragma once

#include <limits>
#include <optional>
#include <vector>

#include "passes/channels/channel_map.h"

namespace edgesmith::passes {

/// Every number of a channel lies in [lo, hi]; an infinite end is not known (numbers themselves are finite).
struct ChannelBounds {
  double lo = -std::numeric_limits<double>::infinity(), hi = std::numeric_limits<double>::infinity();

  /// The number that all are, up to 1e-7 of it.
  std::optional<double> constant() const;
  /// The largest magnitude.
  double magnitude() const;
};

struct ChannelValues {
  std::vector<ChannelBounds> bounds;  ///< by channel id
  /// By channel id: channels of one value with equal numbers have the same class. Class numbers mean nothing else.
  std::vector<int> classes;
};

/// One walk over the graph.
ChannelValues find_channel_values(const ir::Graph& graph, const ChannelMap& map);

}  // namespace edgesmith::passes
