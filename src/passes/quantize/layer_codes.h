// SPDX-License-Identifier: Apache-2.0
// Codes for the weights and biases of whole layers.
#pragma once

#include <cstdint>
#include <vector>

#include "edgesmith/ir/graph.h"
#include "edgesmith/targets/target.h"
#include "passes/quantize/layer_inputs.h"

namespace edgesmith::passes::quantize {

struct WeightSettings {
  targets::PairRule rule = targets::PairRule::none;
  bool per_tensor = false;
  bool compensate = true;    ///< round so that the layer's output is kept (needs LayerInputs)
  bool correct_bias = true;  ///< put what the rounding shifts the mean output by into the bias (needs LayerInputs)
};

/// The codes of one layer's weights.
struct WeightCodes {
  ir::Tensor weight;          ///< affine, per channel along the node's weight axis or per tensor
  std::vector<double> shift;  ///< by output channel: what to add to the bias; empty when nothing
  double sqnr_db = 0;         ///< of the weights
};

/// Quantizes the constant weight of `node`. `smallest_scales` (by channel, or empty) are lower limits of the scales.
/// `inputs` may be null when neither compensation nor correction is wanted. Errors: invalid (NaN or Inf weights).
Result<WeightCodes> quantize_weight(const ir::Node& node, const WeightSettings& settings, const LayerInputs* inputs,
                                    const std::vector<double>& smallest_scales);

/// Limits for the scales of `node`'s weights below which its bias would not fit 30 bits at the input scale given.
std::vector<double> smallest_weight_scales(const ir::Node& node, double input_scale);

/// The bias of `node` (zeros when absent) plus `shift`, as 32-bit codes at the scale input scale * weight scale.
/// Invalid tensor: there is no bias and nothing to add.
ir::Tensor quantize_bias(const ir::Node& node, const WeightCodes& codes, double input_scale);

/// The same as floats. Invalid tensor: there is nothing to add.
ir::Tensor corrected_bias(const ir::Node& node, const WeightCodes& codes);

}  // namespace edgesmith::passes::quantize
