// SPDX-License-Identifier: Apache-2.0
// Why a pass that works on float32 weights finds none in a model of half floats.
#pragma once

#include <string>
#include <string_view>

#include "edgesmith/ir/graph.h"

namespace edgesmith::passes {

/// "float16", "bfloat16", or "float32" for any other type.
std::string_view long_name(ir::DType dtype);

/// To put behind "there are no float32 weights": ": they are float16; first 'edgesmith convert ...'", with the type of
/// the first such weight of two dims or more. "" for a graph without weights of float16 or bfloat16.
std::string half_weights_hint(const ir::Graph& graph);

}  // namespace edgesmith::passes
