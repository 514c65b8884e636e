// SPDX-License-Identifier: Apache-2.0
// Codes of a channel whose neighbours are added in 16 bits: limits for each weight instead of a smaller scale for all.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "passes/quantize/weight_codes.h"

namespace edgesmith::passes::quantize {

/// Positions of two weights of a channel whose products are added in 16 bits.
using WeightPairs = std::vector<std::pair<int64_t, int64_t>>;

/// Gives every weight of `scale` the range of its codes, so that no pair can leave 16 bits whatever is chosen in these
/// ranges: the limits of the two sum to 128. A pair that fits as it is shares the room that is left; one that does not
/// gives way where that costs least, by the `importance` of each weight (second moments of what it meets; empty: all
/// alike).
void set_pair_limits(std::span<const double> weights, const WeightPairs& pairs, std::span<const double> importance,
                     ChannelScale& scale);

/// Scales worth rounding the channel with, limits set: the finest at which every pair fits as it is, and, where that is
/// coarser than the full range, the one between them at which nearest codes have the least squared error (weighed by
/// importance) although the widest pairs give way. `smallest` is a lower limit.
std::vector<ChannelScale> pair_scales(std::span<const double> weights, const WeightPairs& pairs,
                                      std::span<const double> importance, double smallest);

}  // namespace edgesmith::passes::quantize
