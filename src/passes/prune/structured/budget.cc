// SPDX-License-Identifier: Apache-2.0
#include "passes/prune/structured/budget.h"

#include <algorithm>
#include <cmath>

#include "edgesmith/ops/op_info.h"

namespace edgesmith::passes::prune {
namespace {

// A group is cut in at least so many steps.
constexpr int64_t kFewestMultiples = 2;
// Shares that are tried, from none to all.
constexpr int kShares = 1000;

double elements(const ir::Node& node, int operand) {
  const ir::Value* value = node.input(operand);
  const bool weight = value != nullptr && value->constant() != nullptr && value->constant()->rank() > 0 &&
                      ir::is_float(value->type().dtype);
  return weight ? static_cast<double>(value->constant()->size()) : 0;
}

}  // namespace

CostModel::CostModel(const ir::Graph& graph, const ChannelMap& map, const std::vector<ChannelGroup>& groups, Cost cost)
    : groups_of_(map.spaces().size()) {
  for (const ChannelSpace& space : map.spaces()) sizes_.push_back(space.size);
  for (size_t g = 0; g < groups.size(); ++g) {
    for (const auto& [space, count] : groups[g].spaces) groups_of_[static_cast<size_t>(space)].push_back({g, count});
  }
  if (cost == Cost::channels) {  // of groups that may lose some: a unit counts once
    for (const ChannelGroup& group : groups) {
      if (!group.reason.empty()) continue;
      sizes_.push_back(static_cast<int64_t>(group.units.size()));
      groups_of_.push_back({{static_cast<size_t>(&group - groups.data()), 1}});
      terms_.push_back({1, -1, static_cast<int>(sizes_.size()) - 1});
    }
    return;
  }
  const auto index_of = [&](const ChannelSpace* space) {
    return space == nullptr ? -1 : static_cast<int>(space - map.spaces().data());
  };
  const auto add = [&](double total, int input, int output) {
    if (total == 0) return;
    for (const int space : {input, output}) {
      if (space >= 0) total /= static_cast<double>(sizes_[static_cast<size_t>(space)]);
    }
    terms_.push_back({total, input, output});
  };
  for (const ir::Node& node : graph.nodes()) {
    if (node.is(ir::OpKind::constant)) continue;
    const ops::ChannelRelation* relation = map.relation(node);
    const int output = relation == nullptr ? -1 : index_of(map.space(&node.output()));
    const int input = relation != nullptr && relation->mixing ? index_of(map.mixed(node, *relation->mixing)) : -1;
    if (cost == Cost::macs) {
      add(static_cast<double>(ops::cost_of(node).macs), input, output);
      continue;
    }
    for (int i = 0; i < node.num_inputs(); ++i) {
      const bool linked = relation != nullptr &&
                          (relation->mixing ? i == relation->mixing->weight || i == relation->mixing->bias
                                            : std::any_of(relation->links.begin(), relation->links.end(),
                                                          [&](const ops::SliceLink& l) { return l.operand == i; }));
      const bool mixes = linked && relation->mixing && i == relation->mixing->weight;
      add(elements(node, i), mixes ? input : -1, linked ? output : -1);
    }
  }
}

double CostModel::of(const std::vector<int64_t>& removed) const {
  std::vector<double> left(sizes_.begin(), sizes_.end());
  for (size_t s = 0; s < left.size(); ++s) {
    for (const auto& [group, count] : groups_of_[s]) left[s] -= static_cast<double>(removed[group] * count);
  }
  double total = 0;
  for (const Term& term : terms_) {
    double cost = term.factor;
    for (const int space : {term.input, term.output}) {
      if (space >= 0) cost *= left[static_cast<size_t>(space)];
    }
    total += cost;
  }
  return total;
}

std::vector<int64_t> steps_of(const ChannelGroup& group, int64_t multiple, bool strict) {
  std::vector<int64_t> steps = {0};
  if (!group.reason.empty()) return steps;
  const auto size = static_cast<int64_t>(group.units.size());
  while (!strict && multiple > 1 && size < kFewestMultiples * multiple) multiple /= 2;
  for (int64_t kept = (size - 1) / multiple * multiple; kept >= multiple; kept -= multiple)
    steps.push_back(size - kept);
  return steps;
}

std::vector<int64_t> lose_share(const std::vector<std::vector<int64_t>>& steps, const std::vector<ChannelGroup>& groups,
                                double share) {
  std::vector<int64_t> removed;
  for (size_t g = 0; g < groups.size(); ++g) {
    const double wanted = share * static_cast<double>(groups[g].units.size());
    int64_t best = 0;
    for (const int64_t step : steps[g]) {
      if (std::fabs(static_cast<double>(step) - wanted) < std::fabs(static_cast<double>(best) - wanted)) best = step;
    }
    removed.push_back(best);
  }
  return removed;
}

std::vector<int64_t> share_evenly(const CostModel& model, const std::vector<std::vector<int64_t>>& steps,
                                  const std::vector<ChannelGroup>& groups, double budget) {
  for (int i = 1; i <= kShares; ++i) {
    std::vector<int64_t> removed = lose_share(steps, groups, static_cast<double>(i) / kShares);
    if (model.of(removed) <= budget) return removed;
  }
  return {};
}

std::vector<int64_t> share_by_error(const CostModel& model, const std::vector<std::vector<int64_t>>& steps,
                                    const std::vector<UnitTrace>& traces, double budget) {
  std::vector<int64_t> removed(steps.size(), 0);
  const auto error = [&](size_t g, int64_t count) { return traces[g].errors[static_cast<size_t>(count)]; };
  for (double now = model.of(removed); now > budget;) {
    double best_price = INFINITY, best_cost = now;
    size_t best = steps.size();
    int64_t best_count = 0;
    for (size_t g = 0; g < steps.size(); ++g) {
      for (const int64_t count : steps[g]) {
        if (count <= removed[g]) continue;
        std::vector<int64_t> next = removed;
        next[g] = count;
        const double cost = model.of(next);
        // What is saved beyond the budget is worth nothing.
        const double saved = now - std::max(cost, budget);
        const double price = saved > 0 ? (error(g, count) - error(g, removed[g])) / saved : INFINITY;
        if (price >= best_price) continue;
        best_price = price;
        best = g;
        best_count = count;
        best_cost = cost;
      }
    }
    if (best == steps.size()) return {};
    removed[best] = best_count;
    now = best_cost;
  }
  for (;;) {  // the dearest that need not have gone
    double most = 0;
    size_t best = steps.size();
    int64_t best_count = 0;
    for (size_t g = 0; g < steps.size(); ++g) {
      for (const int64_t count : steps[g]) {
        if (count >= removed[g]) continue;
        std::vector<int64_t> next = removed;
        next[g] = count;
        const double back = error(g, removed[g]) - error(g, count);
        if (back <= most || model.of(next) > budget) continue;
        most = back;
        best = g;
        best_count = count;
      }
    }
    if (best == steps.size()) return removed;
    removed[best] = best_count;
  }
}

}  // namespace edgesmith::passes::prune
