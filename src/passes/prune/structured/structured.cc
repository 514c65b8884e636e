// SPDX-License-Identifier: Apache-2.0
// Structured pruning:
//
//   candidates channels that go together, by the operators' channel relations           candidates.cc, groups.cc
//   inputs     products of what the readers of those channels meet, in one sweep        reader_sums.cc, row_sums.cc
//   order      which channels of a group go first, and the error of their readers       rank.cc, fit.cc
//   scale      what an error in a group does to the results of the model, by trying it  rank.cc
//   budget     how many channels every group loses                                      choose.cc, budget.cc
//   branches   residual branches compete with them, as a whole                          branches.cc, branch_trials.cc
//   removal    the graph shrinks; readers are refitted to what they gave                cutter.cc, fit.cc
//   repair     every layer from there on is refitted to the original, one by one        refit.cc
#include "passes/prune/structured/structured.h"

#include <algorithm>
#include <cmath>

#include "edgesmith/base/interruptible.h"
#include "passes/convert/half_weights.h"
#include "passes/prune/structured/after_simplify.h"
#include "passes/prune/structured/choose.h"
#include "passes/prune/structured/rank.h"
#include "passes/prune/structured/records.h"
#include "passes/prune/structured/refit.h"
#include "passes/quantize/node_form.h"

namespace edgesmith::passes::prune {
namespace {

Status check_weights(const ir::Graph& graph, const std::vector<bool>& selected) {
  for (const ir::Node& node : graph.nodes()) {
    const ir::Value* weight = quantize::weight_of(node);
    if (weight == nullptr || !selected[static_cast<size_t>(node.id())]) continue;
    if (weight->quant() || weight->constant()->encoding() != ir::Encoding::dense) {
      return usage_error(node.label() + ": its weights are compressed already",
                         "prune before quantize, or skip the node");
    }
  }
  return {};
}

Status check_numbers(const std::vector<MixLayer>& layers) {
  for (const MixLayer& layer : layers) {
    const std::vector<float> numbers = layer.node->input(layer.mixing.weight)->constant()->to_floats();
    if (!std::all_of(numbers.begin(), numbers.end(), [](float number) { return std::isfinite(number); })) {
      return invalid_error(layer.node->label() + ": its weights hold NaN or infinity");
    }
  }
  return {};
}

// Zeros among the weights of the layers.
int64_t count_zeros(const ir::Graph& graph) {
  int64_t zeros = 0;
  for (const ir::Node& node : graph.nodes()) {
    const ir::Value* weight = quantize::weight_of(node);
    if (weight == nullptr) continue;
    const std::vector<float> numbers = weight->constant()->to_floats();
    zeros += std::count(numbers.begin(), numbers.end(), 0.0F);
  }
  return zeros;
}

// The mean of a branch's result, of the channels that are left.
ir::Tensor kept_mean(const ir::Tensor& mean, const std::vector<int64_t>& kept) {
  const auto numbers = mean.data<float>();
  std::vector<float> left;
  for (const int64_t channel : kept) left.push_back(numbers[static_cast<size_t>(channel)]);
  ir::Dims dims = mean.dims();
  dims[0] = static_cast<int64_t>(left.size());
  return ir::Tensor::of<float>(dims, left);
}

}  // namespace

Result<Change> prune_channels(ir::Graph& graph, const Options& options, const std::vector<bool>& selected,
                              PassContext& context) {
  const bool have_data = context.calib != nullptr && context.calib->size() > 0;
  const ChannelSettings settings = read_channel_settings(options, have_data);
  EDGESMITH_TRY(check_weights(graph, selected));
  const Candidates candidates(graph, settings, context.target, selected);
  const size_t groups = candidates.groups.size();
  EDGESMITH_TRY(check_numbers(candidates.layers));
  EDGESMITH_TRY(check_channel_settings(settings, have_data));
  record_what_stays(candidates, context);
  if (!candidates.any()) {
    std::string hint = half_weights_hint(graph);
    if (hint.empty()) hint = simplify_hint(graph, options, settings, context);
    context.notes.push_back("there are no channels that may go" + hint);
    return Change::none;
  }

  const ir::Graph original = graph.clone();
  const auto calibration = [&] { return quantize::Stream(*context.calib, original, *context.pool, *context.progress); };
  ReaderSums sums;
  if (settings.needs_data()) {
    auto observed = ReaderSums::observe(graph, candidates, calibration());
    if (!observed) return observed.error();
    sums = std::move(*observed);
  }
  std::vector<UnitTrace> traces = rank_units(candidates, settings.criterion, sums, *context.pool, *context.progress);
  EDGESMITH_TRY(check_interrupted());
  const Cutter cutter(candidates, sums, traces, settings.repair, *context.pool);
  if (settings.by_error) {
    EDGESMITH_TRY(scale_errors(traces, original, candidates, cutter, settings.lost(), context));
  }
  std::vector<ir::Tensor> means;
  if (!candidates.branches.empty()) {
    auto found = branch_means(original, candidates.map, candidates.branches, calibration());
    if (!found) return found.error();
    means = std::move(*found);
  }
  auto removed = choose(original, candidates, settings, traces, means, context);
  if (!removed) return removed.error();
  if (std::all_of(removed->begin(), removed->end(), [](int64_t count) { return count == 0; })) {
    context.notes.push_back("no channel was to go");
    return Change::none;
  }
  record_choice(candidates, settings, *removed, cutter.channels_gone(*removed), context);

  const std::vector<std::vector<int64_t>> kept = cutter.channels_kept(*removed);
  EDGESMITH_TRY(cutter.cut(graph, *removed));
  GoneBranches gone(candidates.branches);
  for (size_t b = 0; b < candidates.branches.size(); ++b) {
    if ((*removed)[groups + b] == 0) continue;
    const auto space = static_cast<size_t>(candidates.branches[b].space);
    gone.take(graph, b, candidates.layers, kept_mean(means[b], kept[space]));
  }
  EDGESMITH_TRY(ops::infer_types(graph));
  const int64_t zeros = count_zeros(graph);
  if (settings.repair) {
    std::vector<bool> changed;
    for (size_t s = 0; s < kept.size(); ++s)
      changed.push_back(static_cast<int64_t>(kept[s].size()) != candidates.map.spaces()[s].size);
    EDGESMITH_TRY(refit_in_turn(graph, original, layers_in(graph, candidates.layers), kept, changed, gone,
                                calibration(), context.notes));
  }
  if (const int64_t filled = zeros - count_zeros(graph); filled > 0) {
    context.notes.push_back(std::to_string(filled) +
                            " zeros of weights were filled by refitting: take out channels first, weights after");
  }
  EDGESMITH_TRY(ops::infer_types(graph));
  return Change::changed;
}

}  // namespace edgesmith::passes::prune
