// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/ir/graph.h"
#include "edgesmith/passes/options.h"

namespace edgesmith::passes {

/// What the user selects by: names (globs) of nodes to work on (none: all), of nodes to leave, operators to leave.
struct Selectors {
  std::vector<std::string> only, skip, skip_ops;

  /// True when they leave `node` to be worked on.
  bool selects(const ir::Node& node) const;
};

/// The options only, skip and skip_op.
Selectors read_selectors(const Options& options);

/// Errors: usage, for a selector that matches nothing in the graph nor inside of If, Loop and Scan.
Status check_selectors(const ir::Graph& graph, const Selectors& selectors);

/// Like check_selectors for a graph that other passes change before: refuses only what cannot come to match. Passes
/// hand on names of nodes, values and constants and invent none, but fusions make operators that were not there.
/// Errors: usage.
Status check_later_selectors(const ir::Graph& graph, const Selectors& selectors);

/// The nodes that selectors leave to be worked on, by node id: those that `only` names (all when it is empty) less
/// those that `skip` names and those whose operator `skip_ops` names. Names are globs over names of nodes and of the
/// values they make, operators over "Softmax" or "softmax". Errors: usage (a selector matches nothing).
Result<std::vector<bool>> select_nodes(const ir::Graph& graph, const Selectors& selectors);

}  // namespace edgesmith::passes
