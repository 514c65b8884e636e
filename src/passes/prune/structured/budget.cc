// SPDX-License-Identifier: Apache-2.0
#include "passes/prune/structured/budget.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "edgesmith/base/progress.h"
#include "edgesmith/ops/op_info.h"

namespace edgesmith::passes::prune {
namespace {

// A group is cut in at least so many steps.
constexpr int64_t kFewestMultiples = 2;
// Shares that are tried, from none to all.
constexpr int kShares = 1000;
// What time is beside multiply-adds, by ONNX Runtime's times for the layers of ResNet-56 on AVX-512: for each number of
// a layer's result (moving it, the Add and the Relu behind it), and the factor of a convolution whose input channels
// are no whole vectors: it reads them in the plain layout, and somebody has to bring them there.
constexpr double kMacsPerResult = 60, kPartialVectors = 1.6;
// Exchanges are tried where the moves are so few, and at most so many are made.
constexpr size_t kMostMoves = 400;
constexpr int kMostExchanges = 100;

double elements(const ir::Node& node, int operand) {
  const ir::Value* value = node.input(operand);
  const bool weight = value != nullptr && value->constant() != nullptr && value->constant()->rank() > 0 &&
                      ir::is_float(value->type().dtype);
  return weight ? static_cast<double>(value->constant()->size()) : 0;
}

// Numbers of the result for one sample.
double results_of(const ir::Node& node) {
  double count = 1;
  for (const ir::Dim& dim : *node.output().type().shape) count *= dim.known() ? static_cast<double>(dim.value()) : 1;
  return count;
}

// The search for what goes: errors and excess of a choice, and moves from one to another.
class Search {
 public:
  Search(const std::vector<Limit>& limits, const Removals& removals, std::vector<int64_t> held)
      : limits_(limits), removals_(removals), held_(std::move(held)) {}

  double error(const std::vector<int64_t>& removed) const {
    double sum = 0;
    for (size_t p = 0; p < removed.size(); ++p) {
      if (removed[p] > 0 && !is_moot(removed, p)) sum += removals_.traces[p].errors[static_cast<size_t>(removed[p])];
    }
    return sum;
  }

  // How far the limits are, each as a share of it. What is saved beyond a limit is worth nothing.
  double excess(const std::vector<int64_t>& removed) const {
    double sum = 0;
    for (const Limit& limit : limits_) sum += std::max(0.0, limit.model->of(removed) / std::max(limit.most, kTiny) - 1);
    return sum;
  }

  // Cheapest removals by error for each of what they save, until the limits are met. False: they cannot be.
  bool remove_cheapest(std::vector<int64_t>& removed, size_t fixed) const {
    for (double over = excess(removed); over > 0;) {
      double best_price = INFINITY, best_over = over;
      const double before = error(removed);
      std::vector<int64_t> best;
      for_each_move(removed, fixed, [&](size_t p, int64_t count, std::vector<int64_t>& next) {
        if (count <= removed[p] || is_moot(removed, p)) return;
        const double left = excess(next);
        const double price = left < over ? (error(next) - before) / (over - left) : INFINITY;
        if (price >= best_price) return;
        best_price = price;
        best_over = left;
        best = next;
      });
      if (best.empty()) return false;
      removed = std::move(best);
      over = best_over;
    }
    return true;
  }

  // The dearest that need not have gone come back.
  void give_back(std::vector<int64_t>& removed) const {
    for (;;) {
      double most = 0;
      const double before = error(removed);
      std::vector<int64_t> best;
      for_each_move(removed, removed.size(), [&](size_t p, int64_t count, std::vector<int64_t>& next) {
        if (count >= removed[p] || count < held_[p]) return;
        const double back = before - error(next);
        if (back <= most || excess(next) > 0) return;
        most = back;
        best = next;
      });
      if (best.empty()) return;
      removed = std::move(best);
    }
  }

  // One place changes, and the others follow: as long as that lowers the error.
  void exchange(std::vector<int64_t>& removed) const {
    for (int round = 0; round < kMostExchanges; ++round) {
      std::vector<int64_t> best = removed;
      for_each_move(removed, removed.size(), [&](size_t p, int64_t count, std::vector<int64_t>& next) {
        if (count < held_[p]) return;
        std::vector<int64_t> other = next;
        if (!remove_cheapest(other, p)) return;
        give_back(other);
        if (error(other) < error(best)) best = std::move(other);
      });
      if (error(best) >= error(removed)) return;
      removed = std::move(best);
    }
  }

  // Places that go with a branch need not lose anything of their own.
  void clear_moot(std::vector<int64_t>& removed) const {
    for (size_t p = 0; p < removed.size(); ++p) {
      if (is_moot(removed, p)) removed[p] = 0;
    }
  }

  size_t num_moves() const {
    size_t count = 0;
    for (const auto& steps : removals_.steps) count += steps.size() - 1;
    return count;
  }

 private:
  bool is_moot(const std::vector<int64_t>& removed, size_t place) const {
    const std::vector<size_t>& inside = removals_.inside[place];
    return std::any_of(inside.begin(), inside.end(), [&](size_t branch) { return removed[branch] > 0; });
  }

  template <typename Visit>
  void for_each_move(const std::vector<int64_t>& removed, size_t fixed, const Visit& visit) const {
    std::vector<int64_t> next = removed;
    for (size_t p = 0; p < removed.size() && !interrupted(); ++p) {
      for (const int64_t count : removals_.steps[p]) {
        if (p == fixed || count == removed[p]) continue;
        next[p] = count;
        visit(p, count, next);
      }
      next[p] = removed[p];
    }
  }

  static constexpr double kTiny = 1e-300;

  const std::vector<Limit>& limits_;
  const Removals& removals_;
  std::vector<int64_t> held_;
};

}  // namespace

CostModel::CostModel(const ir::Graph& graph, const ChannelMap& map, const std::vector<ChannelGroup>& groups,
                     const std::vector<Branch>& branches, Cost cost, int64_t lanes)
    : lanes_(cost == Cost::time ? static_cast<double>(lanes) : 1), groups_of_(map.spaces().size()) {
  for (const ChannelSpace& space : map.spaces()) sizes_.push_back(space.size);
  for (size_t g = 0; g < groups.size(); ++g) {
    for (const auto& [space, count] : groups[g].spaces) groups_of_[static_cast<size_t>(space)].push_back({g, count});
  }
  if (cost == Cost::channels) {  // of groups that may lose some: a unit counts once
    for (const ChannelGroup& group : groups) {
      if (!group.reason.empty()) continue;
      sizes_.push_back(static_cast<int64_t>(group.units.size()));
      groups_of_.push_back({{static_cast<size_t>(&group - groups.data()), 1}});
      terms_.push_back({1, -1, static_cast<int>(sizes_.size()) - 1, {}});
    }
    return;
  }
  std::map<int, std::vector<size_t>> branches_of;  // by node id
  for (size_t b = 0; b < branches.size(); ++b) {
    for (const int node : branches[b].nodes) branches_of[node].push_back(groups.size() + b);
  }
  const auto index_of = [&](const ChannelSpace* space) {
    return space == nullptr ? -1 : static_cast<int>(space - map.spaces().data());
  };
  const auto add = [&](const ir::Node& node, double total, int input, int output) {
    if (total == 0) return;
    for (const int space : {input, output}) {
      if (space >= 0) total /= static_cast<double>(sizes_[static_cast<size_t>(space)]);
    }
    terms_.push_back({total, input, output, branches_of[node.id()]});
  };
  for (const ir::Node& node : graph.nodes()) {
    if (node.is(ir::OpKind::constant)) continue;
    const ops::ChannelRelation* relation = map.relation(node);
    const int output = relation == nullptr ? -1 : index_of(map.space(&node.output()));
    const int input = relation != nullptr && relation->mixing ? index_of(map.mixed(node, *relation->mixing)) : -1;
    if (cost == Cost::macs || cost == Cost::time) {
      const auto count = static_cast<double>(ops::cost_of(node).macs);
      add(node, count, input, output);
      if (cost == Cost::time && count > 0) add(node, kMacsPerResult * results_of(node), -1, output);
      continue;
    }
    for (int i = 0; i < node.num_inputs(); ++i) {
      const bool linked = relation != nullptr &&
                          (relation->mixing ? i == relation->mixing->weight || i == relation->mixing->bias
                                            : std::any_of(relation->links.begin(), relation->links.end(),
                                                          [&](const ops::SliceLink& l) { return l.operand == i; }));
      const bool mixes = linked && relation->mixing && i == relation->mixing->weight;
      add(node, elements(node, i), mixes ? input : -1, linked ? output : -1);
    }
  }
}

double CostModel::of(const std::vector<int64_t>& removed) const {
  std::vector<double> left(sizes_.size());
  for (size_t s = 0; s < left.size(); ++s) {
    int64_t size = sizes_[s];
    for (const auto& [group, count] : groups_of_[s]) size -= removed[group] * count;
    left[s] = static_cast<double>(size);
  }
  double total = 0;
  for (const Term& term : terms_) {
    if (std::any_of(term.branches.begin(), term.branches.end(), [&](size_t b) { return removed[b] > 0; })) continue;
    double cost = term.factor;
    if (term.input >= 0) {
      const double size = left[static_cast<size_t>(term.input)];
      cost *= std::fmod(size, lanes_) == 0 ? size : kPartialVectors * size;
    }
    if (term.output >= 0) cost *= std::ceil(left[static_cast<size_t>(term.output)] / lanes_) * lanes_;
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

std::vector<int64_t> share_by_error(const std::vector<Limit>& limits, const Removals& removals,
                                    std::vector<int64_t> removed) {
  const Search search(limits, removals, removed);
  if (!search.remove_cheapest(removed, removed.size())) return {};
  search.give_back(removed);
  if (search.num_moves() <= kMostMoves) search.exchange(removed);
  search.clear_moot(removed);
  return removed;
}

}  // namespace edgesmith::passes::prune
