// SPDX-License-Identifier: Apache-2.0
// What quantization found out, for the report: a record for every operator and sentences about the whole.
#pragma once

#include <string>
#include <vector>

#include "edgesmith/passes/pass.h"
#include "passes/quantize/choice.h"
#include "passes/quantize/observe.h"
#include "passes/quantize/plan.h"
#include "passes/quantize/tensor_scales.h"

namespace edgesmith::passes::quantize {

struct Findings {
  const ir::Graph& original;
  const ir::Graph& quantized;
  const Plan& plan;
  const Choice& choice;
  const Extremes& extremes;
};

/// Fills context.layers and context.notes. Runs both graphs on the samples of `stream` to measure every layer; where
/// nobody asks for layers, the quantized one alone, and only when the error of its outputs is not known yet.
/// `reference`: what the original gives, where that is known.
Status report(const Findings& findings, const Stream& stream, const ReferenceOutputs& reference, PassContext& context);

/// A warning, and advice at the layer: one scale a weight costs much, and what to do.
void report_one_scale(const TensorScaleCost& cost, PassContext& context);

/// When there is nothing to quantize: the reasons.
void report_nothing(const ir::Graph& graph, const Plan& plan, PassContext& context);

/// Weight-only: one layer, its affine weight of `bits` bits. `of_output`: the ratio is that of the layer's output.
void report_weight(const ir::Node& node, const ir::Tensor& weight, int bits, double sqnr_db, bool of_output,
                   PassContext& context);

}  // namespace edgesmith::passes::quantize
