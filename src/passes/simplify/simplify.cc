// SPDX-License-Identifier: Apache-2.0
// Exact clean-up: the small passes in an order that lets each feed the next, repeated until nothing changes.
#include <array>

#include "passes/rewrite.h"

namespace edgesmith::passes {
namespace {

// A graph needs two or three rounds; the bound only stops passes that undo each other.
constexpr int kMaxRounds = 20;

constexpr std::array<std::string_view, 11> kPipeline = {
    "eliminate-dead-nodes",             // less to look at
    "eliminate-identities",             // patterns below meet their producers directly
    "fold-constants",                   // weights behind Transpose or Cast, shape code
    "canonicalize-ops",                 // before the fusions: makes Gemm of MatMul and Add
    "fuse-transposes",                  //
    "fuse-reshapes",                    //
    "fuse-batch-normalization",         // before fuse-affine: both change the same constants
    "fuse-affine",                      //
    "fuse-pad",                         // after fold-constants made the amounts known
    "eliminate-dead-channels",          // after the fusions: sees scales and shifts in the weights
    "eliminate-common-subexpressions",  // last: sees the final constants
};

Result<Change> run(ir::Graph& graph, const Options&, PassContext& context) {
  const int before = graph.num_nodes();
  Change change = Change::none;
  for (int round = 0; round < kMaxRounds; ++round) {
    Change in_round = Change::none;
    for (const std::string_view name : kPipeline) {
      const PassInfo& pass = *find_pass(name);
      auto result = run_pass(pass, graph, Options(pass.options()), context);
      if (!result) return result.error();
      if (*result == Change::changed) in_round = Change::changed;
    }
    if (in_round == Change::none) break;
    change = Change::changed;
  }
  if (change == Change::changed) {
    context.notes.push_back("nodes: " + std::to_string(before) + " -> " + std::to_string(graph.num_nodes()));
  }
  return change;
}

}  // namespace

extern const PassInfo simplify_pass = {
    "simplify", "exact clean-up: fold, fuse and remove until nothing changes", no_options, run, true, false};

}  // namespace edgesmith::passes
