// SPDX-License-Identifier: Apache-2.0
// Exact clean-up: the small passes in an order that lets each feed the next, repeated until nothing changes.
#include <array>

#include "passes/rewrite.h"

namespace edgesmith::passes {
namespace {

// A graph needs two or three rounds; the bound only stops passes that undo each other.
constexpr int kMaxRounds = 20;

constexpr std::array<std::string_view, 14> kPipeline = {
    "eliminate-dead-nodes",             // less to look at
    "eliminate-identities",             // patterns below meet their producers directly
    "fold-constants",                   // weights behind Transpose or Cast, shape code
    "inline-branches",                  // after fold-constants made conditions known
    "canonicalize-ops",                 // before the fusions: makes Gemm of MatMul and Add
    "fuse-transposes",                  //
    "fuse-slices",                      //
    "state-reshapes",                   // before fuse-reshapes: those with constant shapes merge
    "fuse-reshapes",                    //
    "fuse-batch-normalization",         // before fuse-affine: both change the same constants
    "fuse-affine",                      //
    "fuse-pad",                         // after fold-constants made the amounts known
    "eliminate-dead-channels",          // after the fusions: sees scales and shifts in the weights
    "eliminate-common-subexpressions",  // last: sees the final constants
};

const OptionSchema& options() {
  static const OptionSchema schema = {
      {"dense", OptionKind::flag, "false", "also write shared weights (codebooks and indices) out in full"},
      {"inline_functions", OptionKind::flag, "false",
       "also put functions that the model defines in place of their calls"}};
  return schema;
}

// Constants with codebooks become plain ones with the same numbers. Returns how many there were.
int write_out(ir::Graph& graph) {
  int count = 0;
  for (ir::Node& node : graph.nodes()) {
    if (!node.is(ir::OpKind::constant) || node.tensor().as_palette() == nullptr) continue;
    const ir::Tensor& tensor = node.tensor();
    const bool codes = tensor.encoding() == ir::Encoding::affine;
    graph.set_tensor(node, codes ? ir::Tensor::affine(tensor.codes(), tensor.quant()) : tensor.dense());
    ++count;
  }
  return count;
}

Result<Change> run(ir::Graph& graph, const Options& options, PassContext& context) {
  const int before = graph.num_nodes();
  Change change = Change::none;
  if (const int count = options.flag("dense") ? write_out(graph) : 0; count > 0) {
    change = Change::changed;
    context.notes.push_back(std::to_string(count) + " shared weights are written out in full");
  }
  const auto run_small = [&](std::string_view name, Change& into) -> Status {
    const PassInfo& pass = *find_pass(name);
    auto result = run_pass(pass, graph, Options(pass.options()), context);
    if (!result) return result.error();
    if (*result == Change::changed) into = Change::changed;
    return {};
  };
  if (options.flag("inline_functions")) EDGESMITH_TRY(run_small("inline-functions", change));
  for (int round = 0; round < kMaxRounds; ++round) {
    Change in_round = Change::none;
    for (const std::string_view name : kPipeline) EDGESMITH_TRY(run_small(name, in_round));
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
    "simplify", "exact clean-up: fold, fuse and remove until nothing changes", options, run, true, false};

}  // namespace edgesmith::passes
