// SPDX-License-Identifier: Apache-2.0
// The pass `prune`: zeros among weights (zero_weights.h), or fewer channels (structured/).
#include "edgesmith/passes/pass.h"
#include "passes/prune/options.h"
#include "passes/prune/structured/structured.h"
#include "passes/prune/zero_weights.h"
#include "passes/selectors.h"

namespace edgesmith::passes {
namespace {

Result<Change> run_prune(ir::Graph& graph, const Options& options, PassContext& context) {
  auto selected = select_nodes(graph, read_selectors(options));
  if (!selected) return selected.error();
  return prune::asks_for_channels(options) ? prune::prune_channels(graph, options, *selected, context)
                                           : prune::zero_weights(graph, options, *selected, context);
}

}  // namespace

extern const PassInfo prune_pass = {
    .name = "prune",
    .summary = "zero weights or remove channels that matter least, and refit the others to the calibration data",
    .options = prune::prune_options,
    .run = run_prune,
    .is_step = true,
    .needs_calib = true,
    .calib_unless = "repair=none",
    .check = prune::check_goal};

}  // namespace edgesmith::passes
