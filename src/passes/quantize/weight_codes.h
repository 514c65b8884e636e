// SPDX-License-Identifier: Apache-2.0
// Symmetric codes for the weights of a layer: their scales, the limits that keep integer sums exact, and rounding.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "edgesmith/targets/target.h"
#include "passes/reconstruct/sweep.h"

namespace edgesmith::passes::quantize {

/// The largest int8 code that is used: ranges are symmetric.
inline constexpr int32_t kLargestCode = 127;
/// Below this a channel counts as zero: its scale times an activation's would leave the normal floats.
inline constexpr double kSmallestScale = 1e-20;

/// The scale of one channel and how large its codes may be.
struct ChannelScale {
  float scale = 1;
  int32_t largest = 127;  ///< limit of |code| of the weight with the largest magnitude
  int32_t others = 127;   ///< limit of |code| of every other weight
  int64_t peak = 0;       ///< position of that largest weight
  /// Least and largest code of each weight, in place of the limits above (pair_limits.h); empty: those hold.
  std::vector<int8_t> low, high;
};

/// The finest scale at which the weights of one channel can be stored, but at least `smallest`. Under
/// PairRule::pairs_to_128 the limits of two weights sum to at most 128, so that u8 * i8 products summed in pairs stay
/// within 255 * 128 <= 32767 whichever weights meet; a channel with one large weight keeps nearly all of its 8 bits,
/// where a blanket 7 bits would halve every one.
ChannelScale channel_scale(std::span<const double> weights, targets::PairRule rule, double smallest);

/// Nearest codes (half to even) within the limits.
void round_nearest(std::span<const double> weights, const ChannelScale& scale, std::span<int8_t> codes);

using reconstruct::MomentFactor, reconstruct::factor_moments;

/// The weights of one channel, and where their codes go.
struct ChannelWeights {
  std::span<const double> weights;  ///< [width]
  ChannelScale scale;
  std::span<int8_t> codes;  ///< [width]
};

/// Codes that keep the layer's output rather than each weight: the sweep of reconstruct/sweep.h with a grid. Channels
/// do not depend on each other; all that share the factor are rounded side by side. Returns |U e|^2 of every channel, e
/// the weights minus what their codes say.
std::vector<double> round_compensated(std::span<const ChannelWeights> channels, const MomentFactor& factor);

}  // namespace edgesmith::passes::quantize
