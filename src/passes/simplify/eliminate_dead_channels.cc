// SPDX-License-Identifier: Apache-2.0
// Removes channels that do nothing: nobody reads them, they are the same number whatever the input, or they repeat
// another channel of their value.
//
//   %a = conv %x, {w0, 0}, {b0, 3}              %a = conv %x, {w0}, {b0}
//   %b = relu %a                          =>    %b = relu %a
//   %y = conv %b, {v0, v1}, {c}                 %y = conv %b, {v0}, {c + 3 v1}
//
// A constant goes into the bias of the layers that read it; where padding would miss it, the channel stays unless the
// constant is zero. What reads a repeated channel reads the first one with the sum of both weights. A channel goes with
// all that are coupled with it, or not at all; the last channel of a value always stays. One round makes work for the
// next: repeated until nothing changes. Where weights have a pattern of zeros for sparse kernels, channels of a group
// of the pattern go together or not at all.
#include <algorithm>
#include <cmath>
#include <map>

#include "edgesmith/passes/dead_channels.h"
#include "passes/channels/channel_map.h"
#include "passes/channels/channel_values.h"
#include "passes/channels/layer_weights.h"
#include "passes/channels/remove_channels.h"
#include "passes/channels/sparse_groups.h"
#include "passes/rewrite.h"

namespace edgesmith::passes {
namespace {

// A contribution this small against the largest possible sum counts as zero.
constexpr double kNegligible = 1e-7;
// Layers are looked at several times, each in an order of its own: where there are more weights, that takes minutes and
// a copy of the largest. Models of that size have no dead channels unless they were put there.
constexpr int64_t kMostWeights = int64_t{1} << 26;

class Search {
 public:
  explicit Search(ir::Graph& graph) : graph_(graph), map_(graph), values_(find_channel_values(graph, map_)) {
    live_.resize(static_cast<size_t>(map_.num_channels()), false);
  }

  /// Removes what it can. Returns how many channels that were, coupled ones counted once. `layers`, unless null, are
  /// told what they lose.
  Result<int64_t> run(std::vector<LayerChannels>* layers = nullptr) {
    find_live();
    if (layers != nullptr) count(*layers);
    std::vector<bool> removed;
    for (int channel = 0; channel < map_.num_channels(); ++channel) removed.push_back(!live(channel));
    int64_t count = 0;
    for (int channel = 0; channel < map_.num_channels(); ++channel) {
      count += !live(channel) && map_.group(channel) == channel ? 1 : 0;
    }
    if (count == 0) return count;
    for (ir::Node& node : graph_.nodes()) {
      const ops::ChannelRelation* relation = map_.relation(node);
      if (relation != nullptr && relation->mixing) absorb(node, *relation->mixing, removed);
    }
    EDGESMITH_TRY(remove_channels(graph_, map_, removed));
    return count;
  }

 private:
  const ChannelBounds& bounds(int64_t channel) const { return values_.bounds[static_cast<size_t>(channel)]; }

  // By channel of a space: the first channel of its class.
  std::vector<int64_t> first_of_class(const ChannelSpace& space) const {
    std::map<int, int64_t> firsts;
    std::vector<int64_t> out;
    for (int64_t c = 0; c < space.size; ++c) {
      out.push_back(firsts.emplace(values_.classes[static_cast<size_t>(space.first + c)], c).first->second);
    }
    return out;
  }

  // The number of channel `c` where the layer can put it into its bias.
  std::optional<double> number_for_bias(const ops::Mixing& mixing, const ChannelSpace& input, int64_t c) const {
    const auto number = bounds(input.first + c).constant();
    if (!number || *number == 0) return number;
    return mixing.uniform && mixing.bias >= 0 ? number : std::nullopt;
  }

  // Whether output `m` reads input `c` at all.
  bool matters(const LayerWeights& weights, const ChannelSpace& input, int64_t m, int64_t c, double largest_sum) const {
    double sum = 0;
    for (int64_t tap = 0; tap < weights.taps; ++tap) sum += std::abs(weights.of(m, c)[tap]);
    if (sum == 0) return false;
    return !std::isfinite(largest_sum) || sum * bounds(input.first + c).magnitude() > kNegligible * largest_sum;
  }

  // The largest magnitude that output `m` can have; infinite where a bound is not known.
  double largest_sum(const LayerWeights& weights, const std::vector<float>& bias, const ChannelSpace& input,
                     int64_t m) const {
    double total = std::abs(bias[static_cast<size_t>(m)]);
    for (int64_t c = 0; c < weights.inputs; ++c) {
      for (int64_t tap = 0; tap < weights.taps; ++tap) {
        const double w = std::abs(weights.of(m, c)[tap]);
        if (w > 0) total += w * bounds(input.first + c).magnitude();
      }
    }
    return total;
  }

  // A group is live when something reads one of its channels. What live channels read is live.
  void find_live() {
    for (const ChannelSpace& space : map_.spaces()) {
      for (int64_t c = 0; space.pinned && c < space.size; ++c) mark(space.first + c);
    }
    do {
      grown_ = false;
      for (ir::Node* node = &graph_.output_node(); node != nullptr; node = node->previous()) {
        const ops::ChannelRelation* relation = map_.relation(*node);
        if (relation == nullptr) continue;
        for (int i = 0; i < node->num_outputs(); ++i) {
          if (const ChannelSpace* result = map_.space(&node->output(i))) keep_one(*result);
        }
        if (relation->mixing) read_layer(*node, *relation->mixing, *map_.space(&node->output()));
      }
    } while (grown_);
  }

  bool live(int64_t channel) const { return live_[static_cast<size_t>(map_.group(static_cast<int>(channel)))]; }

  void mark(int64_t channel) {
    if (live(channel)) return;
    live_[static_cast<size_t>(map_.group(static_cast<int>(channel)))] = true;
    grown_ = true;
  }

  // A value without channels would be no value.
  void keep_one(const ChannelSpace& space) {
    for (int64_t c = 0; c < space.size; ++c) {
      if (live(space.first + c)) return;
    }
    mark(space.first);
  }

  void read_layer(const ir::Node& node, const ops::Mixing& mixing, const ChannelSpace& result) {
    const ChannelSpace* input = map_.mixed(node, mixing);
    if (input == nullptr) return;
    const LayerWeights weights = layer_weights(node, mixing);
    const std::vector<float> bias = layer_bias(node, mixing, weights.outputs);
    const std::vector<int64_t> firsts = first_of_class(*input);
    for (int64_t m = 0; m < weights.outputs; ++m) {
      if (!live(result.first + m)) continue;
      const double largest = largest_sum(weights, bias, *input, m);
      for (int64_t c = 0; c < weights.inputs; ++c) {
        if (number_for_bias(mixing, *input, c) || !matters(weights, *input, m, c, largest)) continue;
        mark(input->first + firsts[static_cast<size_t>(c)]);
      }
    }
    const SparseGroups groups = sparse_groups(weights);
    keep_groups(*input, groups.inputs);
    keep_groups(result, groups.outputs);
  }

  // Of every `size` neighbours all are live or none.
  void keep_groups(const ChannelSpace& space, int64_t size) {
    for (int64_t first = 0; size > 1 && first + size <= space.size; first += size) {
      bool any = false;
      for (int64_t c = first; c < first + size; ++c) any = any || live(space.first + c);
      for (int64_t c = first; any && c < first + size; ++c) mark(space.first + c);
    }
  }

  // Adds to every layer what its result loses; layers that are not listed yet are.
  void count(std::vector<LayerChannels>& layers) {
    for (const ir::Node& node : graph_.nodes()) {
      if (map_.relation(node) == nullptr || ops::quant_facts(node).weight_operand < 0) continue;
      const ChannelSpace& result = *map_.space(&node.output());
      auto layer = std::find_if(layers.begin(), layers.end(),
                                [&](const LayerChannels& known) { return known.node_id == node.id(); });
      if (layer == layers.end()) layer = layers.insert(layer, {node.id(), result.size, 0, 0});
      const std::vector<int64_t> firsts = first_of_class(result);
      for (int64_t c = 0; c < result.size; ++c) {
        const int64_t first = result.first + firsts[static_cast<size_t>(c)];
        if (live(result.first + c)) continue;
        const bool repeats = !bounds(result.first + c).constant() && first != result.first + c && live(first);
        ++(repeats ? layer->duplicate : layer->dead);
      }
    }
  }

  // Puts what a layer reads of removed channels into its bias and its other weights.
  void absorb(ir::Node& node, const ops::Mixing& mixing, const std::vector<bool>& removed) {
    const ChannelSpace* input = map_.mixed(node, mixing);
    if (input == nullptr) return;
    LayerWeights weights = layer_weights(node, mixing);
    std::vector<float> bias = layer_bias(node, mixing, weights.outputs);
    std::vector<double> added(bias.size(), 0.0);
    const std::vector<int64_t> firsts = first_of_class(*input);
    bool weights_changed = false, bias_changed = false;
    for (int64_t c = 0; c < input->size; ++c) {
      if (!removed[static_cast<size_t>(input->first + c)]) continue;
      const int64_t first = firsts[static_cast<size_t>(c)];
      const auto number = number_for_bias(mixing, *input, c);
      const bool repeats = !number && first != c && !removed[static_cast<size_t>(input->first + first)];
      for (int64_t m = 0; m < weights.outputs; ++m) {
        for (int64_t tap = 0; tap < weights.taps; ++tap) {
          const float w = weights.of(m, c)[tap];
          if (number) added[static_cast<size_t>(m)] += w * *number;
          if (repeats) weights.of(m, first)[tap] += w;
        }
      }
      weights_changed = weights_changed || repeats;
      bias_changed = bias_changed || (number && *number != 0);
    }
    if (weights_changed) {
      graph_.set_tensor(node.input(mixing.weight)->node(),
                        weight_tensor(*node.input(mixing.weight)->constant(), mixing, weights));
    }
    if (bias_changed) add_to_bias(node, mixing.bias, bias, added);
  }

  void add_to_bias(ir::Node& node, int index, std::vector<float> bias, const std::vector<double>& added) {
    for (size_t m = 0; m < bias.size(); ++m) bias[m] = static_cast<float>(bias[m] + added[m]);
    ir::Tensor tensor = ir::Tensor::of<float>({static_cast<int64_t>(bias.size())}, bias);
    ir::Value* old = node.input(index);
    if (old != nullptr && old->uses().size() == 1) return graph_.set_tensor(old->node(), std::move(tensor));
    graph_.set_input(node, index, &graph_.add_constant(std::move(tensor), {}, &node));
  }

  ir::Graph& graph_;
  ChannelMap map_;
  ChannelValues values_;
  std::vector<bool> live_;  ///< by group
  bool grown_ = false;
};

// Rounds until there is nothing to do; returns how many channels went.
Result<int64_t> remove_all(ir::Graph& graph, std::vector<LayerChannels>* layers) {
  int64_t total = 0;
  for (;;) {
    auto gone = Search(graph).run(layers);
    if (!gone || *gone == 0) return gone ? total : gone;
    total += *gone;
  }
}

int64_t count_weights(const ir::Graph& graph) {
  int64_t count = 0;
  for (const ir::Node& node : graph.nodes()) {
    if (node.is(ir::OpKind::constant)) count += node.tensor().size();
  }
  return count;
}

Result<Change> run_eliminate_dead_channels(ir::Graph& graph, const Options&, PassContext& context) {
  if (count_weights(graph) > kMostWeights) {
    const std::string note = "dead channels are not looked for in over 64 million weights";
    if (std::find(context.notes.begin(), context.notes.end(), note) == context.notes.end()) {
      context.notes.push_back(note);
    }
    return Change::none;
  }
  const auto total = remove_all(graph, nullptr);
  if (!total) return total.error();
  if (*total == 0) return Change::none;
  context.notes.push_back("dead channels removed: " + std::to_string(*total));
  return Change::changed;
}

}  // namespace

Result<DeadChannels> find_dead_channels(const ir::Graph& graph) {
  ir::Graph copy = graph.clone();
  DeadChannels found;
  auto total = remove_all(copy, &found.layers);
  if (!total) return total.error();
  found.removable = *total;
  return found;
}

extern const PassInfo eliminate_dead_channels_pass = {
    "eliminate-dead-channels",
    "remove channels that nobody reads, that are constant, or that repeat another",
    no_options,
    run_eliminate_dead_channels,
    false,
    false};

}  // namespace edgesmith::passes
