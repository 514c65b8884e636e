// SPDX-License-Identifier: Apache-2.0
// What one scale for a whole weight costs, beside one for each output channel.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "edgesmith/base/result.h"
#include "passes/quantize/choice.h"

namespace edgesmith::passes::quantize {

/// The layer whose channels lie furthest apart.
struct StretchedLayer {
  std::string node;
  int64_t channel = 0;                    ///< the one that sets the scale
  double largest = 0, median = 0;         ///< |weight| of that channel, and of the median channel
  double tensor_db = 0, channels_db = 0;  ///< SQNR of the weights
};

struct TensorScaleCost {
  double tensor_db = 0, channels_db = 0;  ///< SQNR of the outputs on the samples
  StretchedLayer worst;
};

/// Measures `assignment`, whose weights have one scale a tensor, against the same with the codes in `by_channel` (one
/// for each of `layers`). nullopt: the difference is small (below 3 dB), or the outputs are good enough as
/// they are (25 dB). Errors: those of the runs.
Result<std::optional<TensorScaleCost>> measure_tensor_scales(const ir::Graph& graph, const Plan& plan,
                                                             const Assignment& assignment,
                                                             const std::vector<LayerGroup>& layers,
                                                             const std::vector<WeightCodes>& by_channel,
                                                             const Stream& samples, const ReferenceOutputs& reference);

}  // namespace edgesmith::passes::quantize
