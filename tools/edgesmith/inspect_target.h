// SPDX-License-Identifier: Apache-2.0
// What `edgesmith inspect --target` adds: where time and energy go there, and whether the model fits.
#pragma once

#include <string>

#include "edgesmith/ir/graph.h"
#include "edgesmith/targets/target.h"

namespace edgesmith::cli {

/// A JSON object.
std::string target_costs_json(const ir::Graph& graph, const targets::Target& target);
std::string target_costs_text(const ir::Graph& graph, const targets::Target& target, bool color);

}  // namespace edgesmith::cli
