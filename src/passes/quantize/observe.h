// SPDX-License-Identifier: Apache-2.0
// The sweep over the calibration data. It keeps running statistics only, of a size that does not depend on the number
// of samples, and gives the same bits for any number of threads.
#pragma once

#include <vector>

#include "edgesmith/base/result.h"
#include "passes/quantize/calibrators.h"
#include "passes/quantize/layer_inputs.h"
#include "passes/quantize/plan.h"
#include "passes/quantize/reference_outputs.h"
#include "passes/quantize/stream.h"

namespace edgesmith::passes::quantize {

/// By value id; zero for values that were not watched.
struct Extremes {
  std::vector<Range> range, moving_average;
  std::vector<Distribution> distributions;  ///< empty ones where they were not asked for
};

/// A layer whose inputs are to be collected.
struct WatchedLayer {
  const ir::Node* node = nullptr;
  int inputs = -1;  ///< index of the LayerInputs that its rows go to
};

struct WhatToObserve {
  std::vector<ir::Value*> values;         ///< their extremes
  bool distributions = false;             ///< also how these values are distributed, graph inputs left out
  std::vector<WatchedLayer> layers;       ///< their inputs
  ReferenceOutputs* reference = nullptr;  ///< the graph's results that it wants
};

/// The sweep. Errors: invalid (NaN or infinity, naming value and sample).
Result<Extremes> observe(const ir::Graph& graph, const WhatToObserve& what, std::vector<LayerInputs>& inputs,
                         ThreadPool& pool, const Stream& stream);

/// What is known of every set; histograms of the `wanted` ones.
std::vector<Observations> join_extremes(const Plan& plan, const Extremes& extremes, const std::vector<bool>& wanted);

}  // namespace edgesmith::passes::quantize
