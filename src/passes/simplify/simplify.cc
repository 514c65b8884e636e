// SPDX-License-Identifier: Apache-2.0
// Exact clean-up: the small passes in an order that lets each feed the next, repeated until nothing changes.
#include <algorithm>
#include <array>
#include <cmath>

#include "edgesmith/base/log.h"
#include "passes/rewrite.h"
#include "passes/simplify/bodies.h"
#include "passes/simplify/same_answers.h"

namespace edgesmith::passes {
namespace {

// A graph needs two or three rounds; the bound only stops passes that undo each other.
constexpr int kMaxRounds = 20;

constexpr std::array<std::string_view, 19> kPipeline = {
    "eliminate-dead-nodes",             // less to look at
    "eliminate-identities",             // patterns below meet their producers directly
    "fold-constants",                   // weights behind Transpose or Cast, shape code
    "inline-branches",                  // after fold-constants made conditions known
    "canonicalize-ops",                 // before the fusions: makes Gemm of MatMul and Add
    "fuse-transposes",                  //
    "fuse-slices",                      //
    "fuse-unsqueezes",                  // before state-reshapes: less shape code to follow
    "state-reshapes",                   // before fuse-reshapes: those with constant shapes merge
    "fuse-reshapes",                    //
    "fuse-softmax",                     // what exporters spelled out, before fuse-affine takes the scales in it
    "fuse-layer-normalization",         //
    "fuse-lp-normalization",            //
    "fuse-activations",                 //
    "fuse-batch-normalization",         // before fuse-affine: both change the same constants
    "fuse-affine",                      //
    "fuse-pad",                         // after fold-constants made the amounts known
    "eliminate-dead-channels",          // after the fusions: sees scales and shifts in the weights
    "eliminate-common-subexpressions",  // last: sees the final constants
};

const OptionSchema& simplify_options() {
  static const OptionSchema schema = {
      {"dense", OptionKind::flag, "false", "also write shared weights (codebooks and indices) out in full"},
      {"inline_functions", OptionKind::flag, "false",
       "also put functions that the model defines in place of their calls"},
      {"flush_denormals", OptionKind::flag, "false",
       "also make zero of float weights below 1.2e-38, which many CPUs multiply a hundred times slower"},
      {"verify",
       OptionKind::word,
       "auto",
       "run the model before and after on made-up inputs, at two sizes where dims are free, and undo what changes the "
       "answers; auto: models of at most 64 MiB and 2 G multiply-adds",
       0,
       0,
       {"auto", "always", "never"}}};
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

// Weights too small for normal floats become zero. Returns how many there were.
int64_t flush_denormals(ir::Graph& graph) {
  int64_t count = 0;
  for (ir::Node& node : graph.nodes()) {
    if (!node.is(ir::OpKind::constant) || node.tensor().dtype() != ir::DType::f32 ||
        node.tensor().encoding() != ir::Encoding::dense) {
      continue;
    }
    const auto is_small = [](float x) { return std::fpclassify(x) == FP_SUBNORMAL; };
    const auto numbers = node.tensor().data<float>();
    const int64_t here = std::count_if(numbers.begin(), numbers.end(), is_small);
    if (here == 0) continue;
    ir::Tensor flushed = ir::Tensor::zeros(ir::DType::f32, node.tensor().dims());
    std::replace_copy_if(numbers.begin(), numbers.end(), flushed.mutable_data<float>().begin(), is_small, 0.0f);
    graph.set_tensor(node, std::move(flushed));
    count += here;
  }
  return count;
}

Status run_small(std::string_view name, ir::Graph& graph, PassContext& context, Change& into) {
  const PassInfo& pass = *find_pass(name);
  auto result = run_pass(pass, graph, Options(pass.options()), context);
  if (!result) return result.error();
  if (*result == Change::changed) into = Change::changed;
  return {};
}

// The insides of If, Loop and Scan, as a step that may be left out like the small passes.
constexpr std::string_view kBodies = "bodies";

// The small passes and what is inside of nodes, until nothing changes; without the one named.
Result<Change> simplify(ir::Graph& graph, std::string_view without, PassContext& context) {
  Change change = Change::none;
  for (int round = 0; round < kMaxRounds; ++round) {
    Change in_round = Change::none;
    for (const std::string_view name : kPipeline) {
      if (name != without) EDGESMITH_TRY(run_small(name, graph, context, in_round));
    }
    if (in_round == Change::none && without != kBodies) {
      in_round = simplify_bodies(graph, [&](ir::Graph& body) { return simplify(body, without, context); });
    }
    if (in_round == Change::none) break;
    change = Change::changed;
  }
  return change;
}

// All that the options ask for, without the pass named.
Result<Change> run_without(std::string_view without, ir::Graph& graph, const Options& options, PassContext& context) {
  Change change = Change::none;
  if (const int count = options.flag("dense") ? write_out(graph) : 0; count > 0) {
    change = Change::changed;
    context.notes.push_back(std::to_string(count) + " shared weights are written out in full");
  }
  if (const int64_t count = options.flag("flush_denormals") ? flush_denormals(graph) : 0; count > 0) {
    change = Change::changed;
    context.notes.push_back(std::to_string(count) + " weights below 1.2e-38 are zero now");
  }
  if (options.flag("inline_functions")) EDGESMITH_TRY(run_small("inline-functions", graph, context, change));
  auto simplified = simplify(graph, without, context);
  if (!simplified) return simplified.error();
  return *simplified == Change::changed ? Change::changed : change;
}

// Runs both graphs. Where the answers differ, finds the pass whose absence keeps them, and does without it.
Result<Change> keep_answers(const ir::Graph& original, ir::Graph& graph, const Options& options, PassContext& context) {
  using Verdict = Comparison::Verdict;
  const Comparison all = compare_answers(original, graph, context.pool);
  if (all.verdict == Verdict::unknown) context.notes.push_back("not verified by running it: " + all.reason);
  if (all.verdict != Verdict::different) return Change::changed;
  std::vector<std::string_view> names(kPipeline.begin(), kPipeline.end());
  names.push_back(kBodies);
  for (const std::string_view name : names) {
    ir::Graph attempt = original.clone();
    PassContext quiet;
    quiet.opset = context.opset;
    quiet.pool = context.pool;
    const auto change = run_without(name, attempt, options, quiet);
    if (!change || compare_answers(original, attempt, context.pool).verdict != Verdict::same) continue;
    graph = std::move(attempt);
    context.notes.push_back("done without " + std::string(name) + ", which changed the answers: " + all.reason);
    log::warning("simplify: done without " + std::string(name) + ", which changed the answers: " + all.reason);
    return *change;
  }
  graph = original.clone();
  context.notes.push_back("undone, because it changed the answers: " + all.reason);
  return Change::none;
}

Result<Change> run_simplify(ir::Graph& graph, const Options& options, PassContext& context) {
  const int before = count_nodes(graph);
  const std::string& verify = options.word("verify");
  const bool verified = verify == "always" || (verify == "auto" && is_quick_to_run(graph));
  std::optional<ir::Graph> original;
  if (verified) original = graph.clone();
  auto change = run_without("", graph, options, context);
  if (!change) return change;
  if (*change == Change::changed && verified) change = keep_answers(*original, graph, options, context);
  if (!change) return change;
  if (*change == Change::changed && !verified && verify == "auto") {
    context.notes.push_back("not verified by running it: it is large (--verify always does)");
  }
  if (*change == Change::changed) {
    context.notes.push_back("operators: " + std::to_string(before) + " -> " + std::to_string(count_nodes(graph)));
  }
  return change;
}

}  // namespace

extern const PassInfo simplify_pass = {
    "simplify", "exact clean-up: fold, fuse and remove until nothing changes", simplify_options, run_simplify, true,
    false};

}  // namespace edgesmith::passes
