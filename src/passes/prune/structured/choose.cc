// SPDX-License-Identifier: Apache-2.0
#include "passes/prune/structured/choose.h"

#include <algorithm>
#include <optional>

#include "edgesmith/base/text.h"
#include "passes/prune/percent.h"
#include "passes/prune/structured/records.h"
#include "passes/prune/structured/trials.h"
#include "passes/quantize/network_error.h"

namespace edgesmith::passes::prune {
namespace {

Result<std::vector<double>> measure(quantize::OutputErrors& errors, const std::vector<ir::Graph>& graphs) {
  std::vector<double> measured;
  for (size_t first = 0; first < graphs.size(); first += kSideBySide) {
    std::vector<const ir::Graph*> some;
    for (size_t i = first; i < std::min(graphs.size(), first + kSideBySide); ++i) some.push_back(&graphs[i]);
    auto part = errors.measure(some);
    if (!part) return part.error();
    measured.insert(measured.end(), part->begin(), part->end());
  }
  return measured;
}

// Groups and branches compete. Of the branches that are to go the cheapest goes, and what the others cost beside it
// is measured again: two neighbours cost more than the sum of both. Empty: the limits cannot be met.
Result<std::vector<int64_t>> share_by_measured_error(const std::vector<Limit>& limits, const ir::Graph& original,
                                                     const Candidates& all, const std::vector<UnitTrace>& traces,
                                                     const std::vector<ir::Tensor>& means, const PassContext& context) {
  const size_t groups = all.groups.size(), branches = all.branches.size();
  Removals removals = {all.steps, traces, {}};
  removals.steps.resize(all.places(), {0, 1});
  removals.traces.resize(all.places());
  for (size_t p = 0; p < all.places(); ++p) removals.inside.push_back(all.branches_around(p));
  std::vector<int64_t> held(all.places(), 0);
  ir::Graph now = original.clone();
  GoneBranches gone(all.branches);
  const quantize::Stream calibration(*context.calib, original, *context.pool, *context.progress);
  const quantize::Stream samples = trial_samples(original, branches, context);
  quantize::OutputErrors errors(original, samples);
  for (double error = 0;;) {
    std::vector<size_t> tried;
    for (size_t b = 0; b < branches; ++b) {
      const std::vector<size_t>& around = removals.inside[groups + b];
      const bool moot = std::any_of(around.begin(), around.end(), [&](size_t place) { return held[place] > 0; });
      if (!gone.is_gone(b) && !moot) tried.push_back(b);
    }
    auto graphs = without_each(now, original, gone, tried, all.layers, means, calibration);
    if (!graphs) return graphs.error();
    auto measured = measure(errors, *graphs);
    if (!measured) return measured.error();
    for (size_t c = 0; c < tried.size(); ++c) {
      removals.traces[groups + tried[c]].errors = {0.0, std::max(0.0, (*measured)[c] - error)};
    }
    std::vector<int64_t> removed = share_by_error(limits, removals, held);
    if (removed.empty()) return removed;
    std::optional<size_t> best;
    for (size_t c = 0; c < tried.size(); ++c) {
      if (removed[groups + tried[c]] > 0 && (!best || (*measured)[c] < (*measured)[*best])) best = c;
    }
    if (!best) return removed;
    held[groups + tried[*best]] = 1;
    now = std::move((*graphs)[*best]);
    gone.add(tried[*best], gone.stand_in(tried[*best], all.layers) < 0);
    error = (*measured)[*best];
  }
}

}  // namespace

Result<std::vector<int64_t>> choose(const ir::Graph& original, const Candidates& candidates,
                                    const ChannelSettings& settings, const std::vector<UnitTrace>& traces,
                                    const std::vector<ir::Tensor>& means, const PassContext& context) {
  const std::vector<int64_t> none(candidates.places(), 0);
  std::vector<int64_t> removed;
  if (settings.cost == Cost::channels && !settings.by_error) {
    removed = lose_share(candidates.steps, candidates.groups, settings.asked);
    removed.resize(candidates.places(), 0);
    return removed;
  }
  const CostModel model = candidates.cost_model(settings.cost);
  const CostModel time = candidates.cost_model(Cost::time, settings.lanes);
  const double whole = model.of(none);
  std::vector<Limit> limits = {{&model, settings.left() * whole}};
  if (settings.time) limits.push_back({&time, *settings.time * time.of(none)});
  if (settings.by_error) {
    auto shared = share_by_measured_error(limits, original, candidates, traces, means, context);
    if (!shared) return shared.error();
    removed = std::move(*shared);
  } else {
    removed = share_evenly(model, candidates.steps, candidates.groups, limits[0].most);
  }
  if (!removed.empty()) {
    removed.resize(candidates.places(), 0);
    return removed;
  }
  std::vector<int64_t> all;
  for (const auto& steps : candidates.steps) all.push_back(steps.back());
  all.resize(candidates.places(), 1);
  if (settings.time && model.of(all) <= limits[0].most) {
    return usage_error("time " + shortest(*settings.time) + " cannot be reached: about " +
                           percent(time.of(all) / time.of(none)) + " stays by the cost model",
                       "ask for a larger share");
  }
  const std::string stays = what_stays(candidates);
  return usage_error(std::string(settings.option) + " " + shortest(settings.asked) + " cannot be reached: at least " +
                         percent(model.of(all) / whole) + " stays with the channels that may go",
                     "ask for a larger share" + (stays.empty() ? "" : "; " + stays));
}

}  // namespace edgesmith::passes::prune
