// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "edgesmith/ir/graph.h"
#include "edgesmith/passes/pass.h"
#include "passes/quantize/layer_codes.h"

namespace edgesmith::passes::quantize {

/// Why com.microsoft's DynamicQuantizeLSTM cannot stand for `node` (an lstm) on `target`; "" when it can.
std::string dynamic_lstm_obstacle(const ir::Node& node, const targets::Target& target);

/// Puts DynamicQuantizeLSTM in the place of `node`, which has no obstacle, and adds its record. Errors: invalid (NaN or
/// infinite weights).
Status make_dynamic_lstm(ir::Graph& graph, ir::Node& node, const WeightSettings& settings, PassContext& context);

}  // namespace edgesmith::passes::quantize
