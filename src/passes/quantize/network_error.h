// SPDX-License-Identifier: Apache-2.0
// How far quantized forms of a graph are from the float one on calibration samples.
#pragma once

#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/ir/graph.h"
#include "passes/quantize/stream.h"

namespace edgesmith::passes::quantize {

/// Squared error over squared signal of the float results of each of `candidates`, averaged over the graph's outputs.
/// All are run side by side on the same samples. Errors: those of the runs.
Result<std::vector<double>> measure_outputs(const ir::Graph& original, const std::vector<const ir::Graph*>& candidates,
                                            const Stream& stream);

/// The same for single values (by value id; `original` and `quantized` have equal ids; -1 where nothing was seen).
/// Every value of `quantized` holds the error of all that comes before it.
Result<std::vector<double>> measure_values(const ir::Graph& original, const ir::Graph& quantized,
                                           const std::vector<bool>& wanted, const Stream& stream);

/// 10 log10(signal / noise); infinite without noise.
double decibels(double noise_to_signal);

}  // namespace edgesmith::passes::quantize
