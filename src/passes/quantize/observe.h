// SPDX-License-Identifier: Apache-2.0
// The two sweeps over the calibration data. Both keep running statistics only, of a size that does not depend on the
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

/// First sweep: the extremes of the watched values. Errors: invalid (NaN or infinity, naming value and sample).
Result<Extremes> observe_extremes(const ir::Graph& graph, const std::vector<ir::Value*>& watched, const Stream& stream);

/// A layer whose inputs are to be collected.
struct WatchedLayer {
  const ir::Node* node = nullptr;
  int inputs = -1;  ///< index of the LayerInputs that its rows go to
};

/// Second sweep: a histogram for every set (over the extremes of its values), and the inputs of the layers.
/// Returns the observations by set.
Result<std::vector<Observations>> observe_distributions(const ir::Graph& graph, const Plan& plan,
                                                        const Extremes& extremes,
                                                        const std::vector<WatchedLayer>& layers,
                                                        std::vector<LayerInputs>& inputs, ThreadPool& pool,
                                                        const Stream& stream);

}  // namespace edgesmith::passes::quantize
