// SPDX-License-Identifier: Apache-2.0
#include "passes/prune/structured/branch_trials.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "passes/prune/structured/prefix.h"
#include "passes/prune/structured/refit.h"

namespace edgesmith::passes::prune {
namespace {

using quantize::Stream;

// Sums by channel of one value.
struct ChannelSums {
  int64_t channels = 1, inner = 1;
  std::vector<double> sums;
  double count = 0;

  std::vector<double> of(const ir::Tensor& tensor) const {
    std::vector<double> result(static_cast<size_t>(channels), 0.0);
    const auto numbers = tensor.data<float>();
    for (size_t i = 0; i < numbers.size(); ++i) {
      result[i / static_cast<size_t>(inner) % static_cast<size_t>(channels)] += static_cast<double>(numbers[i]);
    }
    return result;
  }
};

std::vector<int64_t> all_of(int64_t count) {
  std::vector<int64_t> all(static_cast<size_t>(count));
  std::iota(all.begin(), all.end(), int64_t{0});
  return all;
}

}  // namespace

std::vector<MixLayer> layers_in(ir::Graph& graph, std::vector<MixLayer> layers) {
  std::map<int, ir::Node*> nodes;
  for (ir::Node& node : graph.nodes()) nodes[node.id()] = &node;
  for (MixLayer& layer : layers) {
    const auto found = nodes.find(layer.node->id());
    layer.node = found == nodes.end() ? nullptr : found->second;
  }
  return layers;
}

int GoneBranches::stand_in(size_t branch, const std::vector<MixLayer>& layers) const {
  const Branch* at = &branches_[branch];
  for (;;) {
    const int layer = at->stand_in;
    if (layer < 0 || inputs_of_row(layers[static_cast<size_t>(layer)]) > kWidest) return -1;
    const int id = layers[static_cast<size_t>(layer)].node->id();
    // The branch that took the layer along: what is before it stands for its sum.
    const Branch* owner = nullptr;
    for (size_t b = 0; b < branches_.size(); ++b) {
      const std::vector<int>& nodes = branches_[b].nodes;
      if (gone_[b] && std::find(nodes.begin(), nodes.end(), id) != nodes.end()) {
        if (by_mean_[b] || branches_[b].sum != at->base) return -1;
        owner = &branches_[b];
      }
    }
    if (owner == nullptr) return layer;
    at = owner;
  }
}

int GoneBranches::stands_for(int value) const {
  for (bool found = true; found;) {
    found = false;
    for (size_t b = 0; b < branches_.size(); ++b) {
      if (!gone_[b] || by_mean_[b] || branches_[b].base != value) continue;
      value = branches_[b].sum;
      found = true;
    }
  }
  return value;
}

void GoneBranches::aim(const ir::Node& layer, WantedRows& want) const {
  const ir::Value* other = nullptr;
  want.target = stands_for(residual_sum(layer, &other).id());
  if (other != nullptr) want.minus = other->id();
}

std::vector<int> GoneBranches::sums_with_means() const {
  std::vector<int> sums;
  for (size_t b = 0; b < branches_.size(); ++b) {
    if (gone_[b] && by_mean_[b]) sums.push_back(branches_[b].sum);
  }
  return sums;
}

void GoneBranches::take(ir::Graph& graph, size_t branch, const std::vector<MixLayer>& layers, const ir::Tensor& mean) {
  const bool by_mean = stand_in(branch, layers) < 0;
  remove_branch(graph, branches_[branch], by_mean ? &mean : nullptr);
  add(branch, by_mean);
}

void GoneBranches::add(size_t branch, bool by_mean) {
  gone_[branch] = true;
  by_mean_[branch] = by_mean;
}

Result<std::vector<ir::Tensor>> branch_means(const ir::Graph& graph, const ChannelMap& map,
                                             const std::vector<Branch>& branches, const Stream& stream) {
  std::set<int> ids;
  std::map<int, const ir::Node*> nodes;
  for (const ir::Node& node : graph.nodes()) nodes[node.id()] = &node;
  std::vector<const ir::Value*> values;
  std::vector<ChannelSums> totals(branches.size());
  std::vector<int> axes;
  for (size_t b = 0; b < branches.size(); ++b) {
    values.push_back(nodes[branches[b].add]->input(branches[b].operand));
    ids.insert(values.back()->id());
    const ChannelSpace& space = *map.space(values.back());
    axes.push_back(space.axis);
    totals[b].channels = space.size;
    totals[b].sums.assign(static_cast<size_t>(space.size), 0.0);
  }
  Prefix prefix(graph, ids);
  EDGESMITH_TRY(prefix.create(stream.num_threads()));
  struct Slot {
    std::vector<std::vector<double>> sums;
    std::vector<double> counts;
  };
  std::vector<Slot> slots(static_cast<size_t>(Stream::kSlots));
  const auto work = [&](const Stream::Batch& batch) -> Status {
    auto results = prefix.run(batch);
    if (!results) return results.error();
    Slot slot;
    for (size_t b = 0; b < branches.size(); ++b) {
      const ir::Tensor tensor = prefix.value(values[b]->id(), *results, batch);
      ChannelSums sums = totals[b];
      for (size_t d = static_cast<size_t>(axes[b]) + 1; d < tensor.dims().size(); ++d) sums.inner *= tensor.dims()[d];
      slot.sums.push_back(sums.of(tensor));
      slot.counts.push_back(static_cast<double>(tensor.size()) / static_cast<double>(sums.channels));
    }
    slots[static_cast<size_t>(batch.slot)] = std::move(slot);
    return {};
  };
  const auto fold = [&](int batches) {
    for (int s = 0; s < batches; ++s) {
      const Slot& slot = slots[static_cast<size_t>(s)];
      for (size_t b = 0; b < branches.size(); ++b) {
        for (size_t c = 0; c < totals[b].sums.size(); ++c) totals[b].sums[c] += slot.sums[b][c];
        totals[b].count += slot.counts[b];
      }
    }
  };
  EDGESMITH_TRY(stream.run("observe branches", work, fold));
  std::vector<ir::Tensor> means;
  for (size_t b = 0; b < branches.size(); ++b) {
    ir::Dims dims(values[b]->type().shape->size() - static_cast<size_t>(axes[b]), 1);
    dims[0] = totals[b].channels;
    std::vector<float> numbers;
    for (const double sum : totals[b].sums) numbers.push_back(static_cast<float>(sum / std::max(1.0, totals[b].count)));
    means.push_back(ir::Tensor::of<float>(dims, numbers));
  }
  return means;
}

Result<std::vector<ir::Graph>> without_each(ir::Graph& now, const ir::Graph& original, const GoneBranches& gone,
                                            const std::vector<size_t>& candidates, const std::vector<MixLayer>& layers,
                                            const std::vector<ir::Tensor>& means, const Stream& stream) {
  const std::vector<MixLayer> present = layers_in(now, layers);
  std::vector<ir::Graph> graphs;
  for (size_t first = 0; first < candidates.size();) {
    std::vector<WantedRows> wanted;
    std::vector<int> wanted_of;  // by candidate: -1: a mean stands for it
    int64_t bytes = 0;
    for (size_t c = first; c < candidates.size(); ++c) {
      const int stand_in = gone.stand_in(candidates[c], layers);
      if (stand_in < 0) {
        wanted_of.push_back(-1);
        continue;
      }
      const MixLayer& layer = present[static_cast<size_t>(stand_in)];
      const int64_t width = inputs_of_row(layer) + 1 + layer.outputs;
      bytes += width * width * 8;
      if (bytes > kMomentBytes && !wanted.empty()) break;
      GoneBranches next = gone;
      next.add(candidates[c], false);
      WantedRows want;
      want.layer = &layer;
      next.aim(*layer.node, want);
      want.kept = all_of(layer.outputs);
      wanted_of.push_back(static_cast<int>(wanted.size()));
      wanted.push_back(std::move(want));
    }
    if (!wanted.empty()) EDGESMITH_TRY(observe_rows(now, &original, wanted, stream));
    for (const int w : wanted_of) {
      ir::Graph& graph = graphs.emplace_back(now.clone());
      if (w >= 0) {
        const WantedRows& want = wanted[static_cast<size_t>(w)];
        MixLayer layer = *want.layer;
        layer.node = layers_in(graph, {layer})[0].node;
        solve_layer(graph, layer, want.sums, stream.pool());
      }
      const size_t branch = candidates[first++];
      GoneBranches next = gone;
      next.take(graph, branch, layers, means[branch]);
      EDGESMITH_TRY(ops::infer_types(graph));
    }
  }
  return graphs;
}

}  // namespace edgesmith::passes::prune
