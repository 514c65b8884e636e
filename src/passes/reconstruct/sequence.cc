// SPDX-License-Identifier: Apache-2.0
#include "passes/reconstruct/sequence.h"

#include <algorithm>
#include <optional>

#include "edgesmith/base/interruptible.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/runtime/executor.h"
#include "passes/reconstruct/layer.h"
#include "passes/reconstruct/shortage.h"

namespace edgesmith::passes::reconstruct {
namespace {

// Multiplications that all runs of both models may take together: about two minutes of two cores.
constexpr double kMostSequenceWork = 1e13;

// A layer whose inputs are wanted, and what is added to its outputs (null: nothing that is wanted).
struct Wanted {
  const ir::Node* layer = nullptr;
  const ir::Value* shortcut = nullptr;
};

// What makes the wanted values, and nothing else.
ir::Graph prefix_of(const ir::Graph& graph, const std::vector<Wanted>& wanted) {
  ir::Graph prefix = graph.clone();
  std::vector<ir::Node*> nodes;
  std::vector<ir::Value*> values(static_cast<size_t>(graph.num_value_ids()), nullptr);
  for (ir::Node& node : prefix.nodes()) {
    nodes.push_back(&node);
    for (int i = 0; i < node.num_outputs(); ++i) values[id_of(node.output(i))] = &node.output(i);
  }
  int count = 0;
  const auto give = [&](const ir::Value& original) {
    ir::Value& value = *values[id_of(original)];
    if (count < prefix.num_outputs()) {
      prefix.set_input(prefix.output_node(), count, &value);
    } else {
      prefix.add_output("stage " + std::to_string(count), value);
    }
    ++count;
  };
  for (const Wanted& want : wanted) {
    give(*want.layer->input(0));
    if (want.shortcut != nullptr) give(*want.shortcut);
  }
  for (int i = count; i < prefix.num_outputs(); ++i) {
    prefix.set_input(prefix.output_node(), i, prefix.output_node().input(0));
  }
  for (size_t n = nodes.size(); n-- > 0;) {
    ir::Node& node = *nodes[n];
    if (node.is(ir::OpKind::input) || node.is(ir::OpKind::output)) continue;
    bool used = false;
    for (int i = 0; i < node.num_outputs(); ++i) used = used || !node.output(i).unused();
    if (!used) prefix.erase(node);
  }
  return prefix;
}

// Room for the rows of every slot.
struct Slots {
  size_t most = 0;  // numbers of a slot
  std::vector<float> rows;
  std::vector<size_t> taken = std::vector<size_t>(quantize::Stream::kSlots, 0);

  explicit Slots(size_t most_taken)
      : most(most_taken), rows(most_taken * quantize::Stream::kSlots + quantize::LayerInputs::kReadAhead) {}
  std::span<float> room(size_t slot) { return std::span(rows).subspan(slot * most, most); }
  Gram::Rows of(size_t slot) const { return std::span(rows).subspan(slot * most, taken[slot]); }
};

// Rows that one model gives, by layer, until a block of batches is done.
class Rows {
 public:
  Rows(ir::Graph graph, const std::vector<Wanted>& wanted, std::vector<Gram>& grams)
      : graph_(std::move(graph)), wanted_(wanted), grams_(grams) {
    for (const Gram& gram : grams) {
      inputs_.emplace_back(gram.inputs().most_taken());
      added_.emplace_back(gram.residual() ? gram.inputs().most_outputs_taken() : 0);
    }
  }

  Status prepare(int num_threads) {
    std::vector<bool> observed(static_cast<size_t>(graph_.num_value_ids()), false);
    for (const Wanted& want : wanted_) {
      observed[id_of(*want.layer->input(0))] = true;
      if (want.shortcut != nullptr) observed[id_of(*want.shortcut)] = true;
    }
    auto runner = quantize::Runner::create(graph_, num_threads, {.observed = observed});
    if (!runner) return runner.error();
    runner_ = std::move(*runner);
    return {};
  }

  Status run(const quantize::Stream::Batch& batch) {
    std::optional<Error> error;
    const auto slot = static_cast<size_t>(batch.slot);
    const runtime::Observer observer = [&](const ir::Value& value, const ir::Tensor& tensor) {
      for (size_t l = 0; l < wanted_.size() && !error; ++l) {
        const Wanted& want = wanted_[l];
        const quantize::LayerInputs& inputs = grams_[l].inputs();
        if (want.layer->input(0)->id() == value.id()) {
          auto taken = inputs.take_rows(*want.layer, tensor.dense(), batch.index, inputs_[l].room(slot));
          if (!taken) error = taken.error();
          inputs_[l].taken[slot] = taken ? *taken : 0;
        }
        if (want.shortcut != nullptr && want.shortcut->id() == value.id()) {
          added_[l].taken[slot] = inputs.take_outputs(*want.layer, tensor.dense(), batch.index, added_[l].room(slot));
        }
      }
    };
    auto outputs = runner_->run(batch, &observer);
    if (!outputs) return outputs.error();
    return error ? Status(*error) : Status();
  }

  std::vector<Gram::Sample> of(size_t layer, int batches) const {
    std::vector<Gram::Sample> samples;
    for (size_t slot = 0; slot < static_cast<size_t>(batches); ++slot) {
      samples.push_back({inputs_[layer].of(slot), added_[layer].of(slot)});
    }
    return samples;
  }

 private:
  ir::Graph graph_;
  const std::vector<Wanted>& wanted_;
  std::vector<Gram>& grams_;
  std::optional<quantize::Runner> runner_;
  std::vector<Slots> inputs_, added_;  // by layer
};

Status observe(const ir::Graph& reference, const ir::Graph& graph, const std::vector<Wanted>& wanted,
               std::vector<Gram>& grams, const quantize::Stream& stream, const std::string& what) {
  Rows current(prefix_of(graph, wanted), wanted, grams), target(prefix_of(reference, wanted), wanted, grams);
  EDGESMITH_TRY(current.prepare(stream.num_threads()));
  EDGESMITH_TRY(target.prepare(stream.num_threads()));
  const auto work = [&](const quantize::Stream::Batch& batch) -> Status {
    EDGESMITH_TRY(current.run(batch));
    return target.run(batch);
  };
  const auto fold = [&](int batches) {
    for (size_t l = 0; l < wanted.size(); ++l) {
      grams[l].add(current.of(l, batches), target.of(l, batches), stream.pool());
    }
  };
  return stream.run(what, work, fold);
}

// Layers on the longest way to every value.
std::vector<int> depths_of(const ir::Graph& graph, const std::vector<ir::Node*>& layers) {
  std::vector<bool> is_layer(static_cast<size_t>(graph.num_node_ids()), false);
  for (const ir::Node* layer : layers) is_layer[static_cast<size_t>(layer->id())] = true;
  std::vector<int> depths(static_cast<size_t>(graph.num_value_ids()), 0);
  for (const ir::Node& node : graph.nodes()) {
    int deepest = is_layer[static_cast<size_t>(node.id())] ? 1 : 0;
    for (int i = 0; i < node.num_inputs(); ++i) {
      if (node.input(i) == nullptr) continue;
      deepest = std::max(deepest, depths[id_of(*node.input(i))] + (is_layer[static_cast<size_t>(node.id())] ? 1 : 0));
    }
    for (int i = 0; i < node.num_outputs(); ++i) depths[id_of(node.output(i))] = deepest;
  }
  return depths;
}

bool same_shape(const ir::Type& a, const ir::Type& b) {
  if (!a.shape || !b.shape || a.shape->size() != b.shape->size()) return false;
  for (size_t d = 0; d < a.shape->size(); ++d) {
    if (!(*a.shape)[d].same_as((*b.shape)[d])) return false;
  }
  return true;
}

int most_stages(const ir::Graph& graph, const quantize::Stream& stream) {
  double macs = 1;
  for (const ir::Node& node : graph.nodes()) macs += static_cast<double>(ops::cost_of(node).macs);
  // A stage runs half of each of the two models on average.
  const double stages = kMostSequenceWork / (macs * static_cast<double>(stream.num_samples()));
  return static_cast<int>(std::clamp(stages, 1.0, 1e6));
}

}  // namespace

std::vector<std::vector<ir::Node*>> stages_of(const ir::Graph& graph, const std::vector<ir::Node*>& layers,
                                              int most_stages) {
  const std::vector<int> depths = depths_of(graph, layers);
  std::vector<std::vector<ir::Node*>> levels;
  for (const ir::Node& node : graph.nodes()) {
    const auto layer = std::find(layers.begin(), layers.end(), &node);
    if (layer == layers.end()) continue;
    const auto level = static_cast<size_t>(depths[id_of(node.output())]) - 1;
    levels.resize(std::max(levels.size(), level + 1));
    levels[level].push_back(*layer);
  }
  if (most_stages <= 0 || levels.size() <= static_cast<size_t>(most_stages)) return levels;
  std::vector<std::vector<ir::Node*>> stages(static_cast<size_t>(most_stages));
  for (size_t l = 0; l < levels.size(); ++l) {
    auto& stage = stages[l * static_cast<size_t>(most_stages) / levels.size()];
    stage.insert(stage.end(), levels[l].begin(), levels[l].end());
  }
  return stages;
}

const ir::Value* shortcut_of(const ir::Graph& graph, const std::vector<ir::Node*>& layers, const ir::Node& layer) {
  const ir::Value& output = layer.output();
  if (output.uses().size() != 1 || !output.uses()[0].node->is(ir::OpKind::add)) return nullptr;
  const ir::Use use = output.uses()[0];
  const ir::Value* other = use.node->input(1 - use.index);
  if (other == &output || other->constant() != nullptr || !same_shape(other->type(), output.type())) return nullptr;
  const std::vector<int> depths = depths_of(graph, layers);
  return depths[id_of(*other)] < depths[id_of(output)] ? other : nullptr;
}

Status compress_in_order(ir::Graph& graph, const std::vector<ir::Node*>& layers, const quantize::Stream& stream,
                         int64_t rows_per_input, std::vector<std::string>& notes, const Compress& compress) {
  Shortage shortage;
  const ir::Graph reference = graph.clone();
  const auto stages = stages_of(graph, layers, most_stages(graph, stream));
  for (size_t s = 0; s < stages.size(); ++s) {
    std::vector<Gram> grams;
    std::vector<Wanted> wanted;
    for (const ir::Node* layer : stages[s]) {
      wanted.push_back({layer, shortcut_of(graph, layers, *layer)});
      grams.emplace_back(*layer, stream.num_batches(), kWidestBlock, rows_per_input, wanted.back().shortcut != nullptr);
    }
    const std::string what = "observe inputs, stage " + std::to_string(s + 1) + " of " + std::to_string(stages.size());
    EDGESMITH_TRY(observe(reference, graph, wanted, grams, stream, what));
    for (size_t l = 0; l < stages[s].size(); ++l) {
      int64_t weights = 0;  // that are fitted together
      for (const Gram::Block& block : grams[l].inputs().blocks()) weights = std::max<int64_t>(weights, block.width);
      shortage.see(*stages[s][l], grams[l].inputs().num_rows(), weights);
      EDGESMITH_TRY(compress(*stages[s][l], grams[l]));
      EDGESMITH_TRY(check_interrupted());
    }
  }
  shortage.note(stream.num_samples(), notes);
  return {};
}

}  // namespace edgesmith::passes::reconstruct
