// SPDX-License-Identifier: Apache-2.0
// Shrinks a model that breaks something to a small one that still does (docs/reduce.md).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "edgesmith/base/progress.h"
#include "edgesmith/base/result.h"
#include "edgesmith/ir/graph.h"

namespace edgesmith::refine {

struct ReduceOptions {
  bool random_weights = false;  ///< replace weights by seeded random numbers first
  uint64_t seed = 0;
  double time_limit = 0;  ///< seconds from `start` after which the smallest model so far is taken; 0: none
  std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
  ProgressSink* progress = nullptr;
};

struct ReduceReport {
  int64_t nodes_before = 0, nodes_after = 0;   ///< operators
  int64_t tests = 0;                           ///< models that were tried
  bool complete = true;                        ///< false: the time limit came first
  std::vector<std::string> kept_weights = {};  ///< tensors that must keep their numbers for the model to break
};

/// Whether a model still breaks what it should; `bytes` is its file. An error ends the search.
using Breaks = std::function<Result<bool>(const ir::Graph& graph, const std::string& bytes)>;

/// Replaces `graph` by the smallest model that was found for which `breaks` holds: fewer results, fewer nodes (values
/// whose producers go become inputs), no optional operands, smaller dims, plain weights. Delta debugging (Zeller and
/// Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002) over nodes and results: no single one of
/// them can be left out at the end. The same graph, options and answers of `breaks` give the same model. Errors:
/// unsupported (`breaks` does not hold for the graph as it is exported); io (no time at all); interrupted; those of
/// `breaks`.
Result<ReduceReport> reduce(ir::Graph& graph, const Breaks& breaks, const ReduceOptions& options);

}  // namespace edgesmith::refine
