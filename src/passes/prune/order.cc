// SPDX-License-Identifier: Apache-2.0
#include "passes/prune/order.h"

#include <algorithm>
#include <numeric>

#include "passes/channels/remove_channels.h"
#include "passes/prune/structured/groups.h"

namespace edgesmith::passes::prune {
namespace {

// Scores that are looked at in all: some ten seconds.
constexpr double kMostWork = 4e9;
// Weights of one input channel that are looked at; of more every so manieth.
constexpr size_t kMostColumns = 1024;
// An exchange must save this share of what the groups cost, or it may go on for ever.
constexpr double kSmallestGain = 1e-9;
constexpr int kSweeps = 8;

// One layer that reads channels in their order.
class Reading {
 public:
  Reading(const PatternLayer& own, const Pattern& pattern, int space) : space_(space), pattern_(pattern) {
    const Layer& layer = *own.layer;
    const auto step = static_cast<size_t>(layer.group_step), all = static_cast<size_t>(layer.outputs) * step;
    const size_t stride = (all + kMostColumns - 1) / kMostColumns;
    columns_ = (all + stride - 1) / stride;
    for (int64_t channel = 0; channel < layer.group_size; ++channel) {
      for (size_t i = 0; i < all; i += stride) {
        const size_t first = i / step * static_cast<size_t>(layer.width) + static_cast<size_t>(channel) * step;
        scores_.push_back(static_cast<float>(own.scores[first + i % step]));
      }
    }
    at_.resize(static_cast<size_t>(layer.group_size));
    std::iota(at_.begin(), at_.end(), int64_t{0});
    for (size_t g = 0; g < at_.size() / static_cast<size_t>(pattern.of); ++g) costs_.push_back(cost_of(g));
  }

  int space() const { return space_; }
  size_t columns() const { return columns_; }
  double total() const { return std::accumulate(costs_.begin(), costs_.end(), 0.0); }

  // Exchanges the channels at some places with those at as many others; the change of the costs. Doing it again undoes
  // it.
  double exchange(const std::vector<int64_t>& a, const std::vector<int64_t>& b) {
    std::vector<size_t> touched;
    for (size_t i = 0; i < a.size(); ++i) {
      std::swap(at_[static_cast<size_t>(a[i])], at_[static_cast<size_t>(b[i])]);
      touched.push_back(static_cast<size_t>(a[i] / pattern_.of));
      touched.push_back(static_cast<size_t>(b[i] / pattern_.of));
    }
    std::sort(touched.begin(), touched.end());
    touched.erase(std::unique(touched.begin(), touched.end()), touched.end());
    double change = 0;
    for (const size_t group : touched) {
      const double cost = cost_of(group);
      change += cost - costs_[group];
      costs_[group] = cost;
    }
    return change;
  }

 private:
  // What the pattern takes from the channels that stand in a group.
  double cost_of(size_t group) const {
    const auto of = static_cast<size_t>(pattern_.of), gone = of - static_cast<size_t>(pattern_.keep);
    std::vector<const float*> from;
    for (size_t i = 0; i < of; ++i) from.push_back(&scores_[static_cast<size_t>(at_[group * of + i]) * columns_]);
    std::vector<float> least(gone);  // ascending
    double cost = 0;
    for (size_t k = 0; k < columns_; ++k) {
      size_t count = 0;
      for (size_t i = 0; i < of; ++i) {
        const float score = from[i][k];
        if (count == gone && score >= least[gone - 1]) continue;
        size_t place = count < gone ? count++ : gone - 1;
        for (; place > 0 && least[place - 1] > score; --place) least[place] = least[place - 1];
        least[place] = score;
      }
      for (const float score : least) cost += score;
    }
    return cost;
  }

  int space_;
  Pattern pattern_;
  size_t columns_ = 1;
  std::vector<float> scores_;  // [channels][columns]
  std::vector<int64_t> at_;    // which channel stands at a place
  std::vector<double> costs_;  // by group
};

class Ordering {
 public:
  Ordering(ir::Graph& graph, const Pattern& pattern, const std::vector<PatternLayer>& layers)
      : graph_(graph), map_(graph) {
    for (const ChannelSpace& space : map_.spaces()) {
      order_.emplace_back(static_cast<size_t>(space.size));
      std::iota(order_.back().begin(), order_.back().end(), int64_t{0});
    }
    mixing_ = prune::find_layers(graph, map_);
    for (const MixLayer& layer : mixing_) {
      const auto own = std::find_if(layers.begin(), layers.end(),
                                    [&](const PatternLayer& other) { return other.layer->node == layer.node; });
      // Grouped convolutions see some of the channels only; they are not tracked.
      if (own == layers.end() || layer.input_space < 0 || own->layer->group_size != layer.inputs) continue;
      readings_.emplace_back(*own, pattern, layer.input_space);
    }
  }

  Result<bool> run() {
    const std::vector<bool> all(static_cast<size_t>(graph_.num_node_ids()), true);
    bool changed = false;
    for (const ChannelGroup& group : find_groups(map_, mixing_, all)) {
      if (group.reason.empty()) changed = improve(group) || changed;
    }
    if (!changed) return false;
    return reorder_channels(graph_, map_, order_);
  }

 private:
  // Places of a unit, by the group's spaces.
  std::vector<std::vector<int64_t>> places_of(const ChannelGroup& group, size_t unit) const {
    std::vector<std::vector<int64_t>> places;
    for (const auto& [s, count] : group.spaces) {
      const ChannelSpace& space = map_.spaces()[static_cast<size_t>(s)];
      places.emplace_back();
      for (const int channel : group.units[unit]) {
        if (channel >= space.first && channel < space.first + space.size)
          places.back().push_back(channel - space.first);
      }
    }
    return places;
  }

  // What an exchange of two units saves stays.
  bool improve(const ChannelGroup& group) {
    std::vector<std::pair<Reading*, size_t>> readers;  // and the place of their space in the group
    double work = 0, cost = 0;
    for (Reading& reading : readings_) {
      for (size_t s = 0; s < group.spaces.size(); ++s) {
        if (group.spaces[s].first != reading.space()) continue;
        readers.emplace_back(&reading, s);
        work += static_cast<double>(reading.columns()) * 16 * static_cast<double>(group.spaces[s].second);
        cost += reading.total();
      }
    }
    if (readers.empty()) return false;
    std::vector<std::vector<std::vector<int64_t>>> places;
    for (size_t unit = 0; unit < group.units.size(); ++unit) places.push_back(places_of(group, unit));
    bool changed = false;
    for (int sweep = 0; sweep < kSweeps; ++sweep) {
      bool any = false;
      for (size_t a = 0; a < places.size(); ++a) {
        for (size_t b = a + 1; b < places.size(); ++b) {
          if ((work_ += work) > kMostWork) return changed;
          double change = 0;
          for (const auto& [reading, s] : readers) change += reading->exchange(places[a][s], places[b][s]);
          if (change < -kSmallestGain * cost) {
            any = changed = true;
            for (size_t s = 0; s < group.spaces.size(); ++s) {
              auto& order = order_[static_cast<size_t>(group.spaces[s].first)];
              for (size_t i = 0; i < places[a][s].size(); ++i) {
                std::swap(order[static_cast<size_t>(places[a][s][i])], order[static_cast<size_t>(places[b][s][i])]);
              }
            }
          } else {
            for (const auto& [reading, s] : readers) reading->exchange(places[a][s], places[b][s]);
          }
        }
      }
      if (!any) break;
    }
    return changed;
  }

  ir::Graph& graph_;
  const ChannelMap map_;
  std::vector<MixLayer> mixing_;
  std::vector<Reading> readings_;
  std::vector<std::vector<int64_t>> order_;  // by space: which channel stands at a place
  double work_ = 0;
};

}  // namespace

Result<bool> order_channels(ir::Graph& graph, const Pattern& pattern, const std::vector<PatternLayer>& layers) {
  return Ordering(graph, pattern, layers).run();
}

}  // namespace edgesmith::passes::prune
