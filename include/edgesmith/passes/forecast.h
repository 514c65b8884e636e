// SPDX-License-Identifier: Apache-2.0
// What each technique of compression would make of a model, without data: for the bytes, not for the accuracy.
#pragma once

#include <span>
#include <string_view>

#include "edgesmith/base/result.h"
#include "edgesmith/base/thread_pool.h"
#include "edgesmith/ir/graph.h"
#include "edgesmith/passes/pass.h"
#include "edgesmith/targets/target.h"

namespace edgesmith::passes {

/// One line of a forecast.
struct Technique {
  std::string_view name;     ///< "int8"
  std::string_view command;  ///< what to run: "quantize", "quantize --weights int4"
  std::string_view method;   ///< how the forecast is made, one clause
  Result<Change> (*run)(ir::Graph& graph, PassContext& context);
};

/// simplify, prune, share, int8, int4.
std::span<const Technique> forecast_techniques();

/// Does `technique` to `graph` (a copy of the model) with the nearest codes in place of repaired ones, which take the
/// same bytes. Change::none: there is nothing to do. Errors: those of the passes (weights that are NaN, compressed);
/// interrupted.
Result<Change> forecast(const Technique& technique, const targets::Target& target, ThreadPool& pool, ir::Graph& graph);

}  // namespace edgesmith::passes
