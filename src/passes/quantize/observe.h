// SPDX-License-Identifier: Apache-2.0
// The sweeps over the calibration data. They keep running statistics only, of a size that does not depend on the
// number of samples, and give the same bits for any number of threads.
#pragma once

#include <vector>

#include "edgesmith/base/result.h"
#include "passes/quantize/calibrators.h"
#include "passes/quantize/layer_inputs.h"
#include "passes/quantize/plan.h"
#include "passes/quantize/stream.h"

namespace edgesmith::passes::quantize {

/// By value id; zero for values that were not watched.
struct Extremes {
  std::vector<Range> range, moving_average;
};

/// A layer whose inputs are to be collected.
struct WatchedLayer {
  const ir::Node* node = nullptr;
  int inputs = -1;  ///< index of the LayerInputs that its rows go to
};

/// First sweep: the extremes of the watched values, and the inputs of the layers. Errors: invalid (NaN or infinity,
/// naming value and sample).
Result<Extremes> observe_ranges(const ir::Graph& graph, const std::vector<ir::Value*>& watched,
                                const std::vector<WatchedLayer>& layers, std::vector<LayerInputs>& inputs,
                                ThreadPool& pool, const Stream& stream);

/// What is known of every set after the first sweep: all but histograms.
std::vector<Observations> join_extremes(const Plan& plan, const Extremes& extremes);

/// Second sweep: fills the histograms of the wanted sets, over their extremes.
Status observe_histograms(const ir::Graph& graph, const Plan& plan, const std::vector<bool>& wanted,
                          std::vector<Observations>& observed, const Stream& stream);

}  // namespace edgesmith::passes::quantize
