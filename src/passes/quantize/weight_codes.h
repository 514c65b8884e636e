// SPDX-License-Identifier: Apache-2.0
// Symmetric codes for the weights of a layer: their scales, the limits that keep integer sums exact, and rounding.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "edgesmith/targets/target.h"

namespace edgesmith::passes::quantize {

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

/// Second moments of the inputs of a channel's weights: upper triangular U, row-major [width, stride], with U^T U =
/// E[x x^T] (plus damping), in the reversed order in which the weights are rounded.
struct MomentFactor {
  int width = 0;
  int64_t stride = 0;          ///< of the rows
  std::vector<int> order;      ///< order[p]: which weight stands at place p; the last place is rounded first
  std::vector<double> factor;  ///< U; what lies under the diagonal means nothing
};

/// Factors the moments, which are symmetric [width, width]. Weights whose inputs matter most are rounded first. Inputs
/// that are always zero, and moments estimated from few samples, are made regular by adding `damping` times the mean of
/// the diagonal to it.
MomentFactor factor_moments(std::span<const double> moments, int width, double damping = 0.01);

/// The weights of one channel, and where their codes go.
struct ChannelWeights {
  std::span<const double> weights;  ///< [width]
  ChannelScale scale;
  std::span<int8_t> codes;  ///< [width]
};

/// Codes that keep the layer's output rather than each weight: weights are rounded one after another, and each takes up
/// the output error that the ones before it left, as far as their inputs are correlated. This is the solution that GPTQ
/// (Frantar et al. 2022, "GPTQ: accurate post-training quantization", section 3; the order is its "act-order") gives,
/// computed from U without inverting the moments: with e = w - scale * code the output error is |U e|^2, whose row p
/// holds e_p .. e_last only, so the code at place p is chosen to cancel row p (Babai's nearest plane). Channels do not
/// depend on each other; all that share the factor are rounded side by side. Returns |U e|^2 of every channel.
std::vector<double> round_compensated(std::span<const ChannelWeights> channels, const MomentFactor& factor);

}  // namespace edgesmith::passes::quantize
