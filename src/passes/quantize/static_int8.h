// SPDX-License-Identifier: Apache-2.0
// Static int8 post-training quantization of values and weights.
//
//   regions    which nodes compute on integers on the target, which values must carry codes       regions.cc
//   sweep      extremes and distributions of those values, and what meets the weights              observe.cc
//   scales     which of them share a scale                                                         scales.cc
//   weights    symmetric codes, rounded so that the layer's output is kept                         layer_codes.cc
//   choice     the range of every scale, and bias correction, by measured error                    choice.cc
//   report     what became of every operator                                                       findings.cc
//
// The result is annotations: values carry a Quant, weights and biases become affine constants.
#pragma once

#include <vector>

#include "edgesmith/passes/pass.h"

namespace edgesmith::passes::quantize {

/// `selected` by node id: the others stay float. Weights that are codes already stay as they are. There are calibration
/// data, and no graph input is a result. Errors: those of the runs; invalid (numbers that are not finite).
Result<Change> quantize_static(ir::Graph& graph, const Options& options, const std::vector<bool>& selected,
                               PassContext& context);

}  // namespace edgesmith::passes::quantize
