// SPDX-License-Identifier: Apache-2.0
#include "passes/reconstruct/sequence.h"

#include <algorithm>
#include <optional>

#include "edgesmith/ops/op_info.h"
#include "edgesmith/runtime/executor.h"

namespace edgesmith::passes::reconstruct {
namespace {

// Inputs whose products are kept together: whole 3x3 layers of 128 channels; wider ones are swept in parts.
constexpr int kWidestBlock = 1280;
// Multiplications that all runs of both models may take together: about two minutes of two cores.
constexpr double kMostWork = 1e13;

size_t id_of(const ir::Value& value) { return static_cast<size_t>(value.id()); }

// What makes the inputs of some layers, and nothing else.
ir::Graph prefix_of(const ir::Graph& graph, const std::vector<ir::Node*>& layers) {
  ir::Graph prefix = graph.clone();
  std::vector<ir::Node*> nodes;
  std::vector<ir::Value*> wanted(static_cast<size_t>(graph.num_value_ids()), nullptr);
  for (ir::Node& node : prefix.nodes()) {
    nodes.push_back(&node);
    for (int i = 0; i < node.num_outputs(); ++i) wanted[id_of(node.output(i))] = &node.output(i);
  }
  for (size_t l = 0; l < layers.size(); ++l) {
    ir::Value& input = *wanted[id_of(*layers[l]->input(0))];
    if (static_cast<int>(l) < prefix.num_outputs()) {
      prefix.set_input(prefix.output_node(), static_cast<int>(l), &input);
    } else {
      prefix.add_output("stage " + std::to_string(l), input);
    }
  }
  const auto count = static_cast<int>(layers.size());
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

// Rows that one model gives, by layer and slot, until a block of batches is done.
class Rows {
 public:
  Rows(ir::Graph graph, const std::vector<ir::Node*>& layers, std::vector<Gram>& grams)
      : graph_(std::move(graph)), layers_(layers), grams_(grams) {
    for (const Gram& gram : grams) {
      rows_.emplace_back(gram.inputs().most_taken() * quantize::Stream::kSlots + quantize::LayerInputs::kReadAhead);
      taken_.emplace_back(quantize::Stream::kSlots, 0);
    }
  }

  Status prepare(int num_threads) {
    std::vector<bool> observed(static_cast<size_t>(graph_.num_value_ids()), false);
    for (const ir::Node* layer : layers_) observed[id_of(*layer->input(0))] = true;
    auto runner = quantize::Runner::create(graph_, num_threads, {.observed = observed});
    if (!runner) return runner.error();
    runner_ = std::move(*runner);
    return {};
  }

  Status run(const quantize::Stream::Batch& batch) {
    std::optional<Error> error;
    const runtime::Observer observer = [&](const ir::Value& value, const ir::Tensor& tensor) {
      for (size_t l = 0; l < layers_.size(); ++l) {
        if (error || layers_[l]->input(0)->id() != value.id()) continue;
        const auto slot = static_cast<size_t>(batch.slot);
        const size_t most = grams_[l].inputs().most_taken();
        auto taken = grams_[l].inputs().take_rows(*layers_[l], tensor.dense(), batch.index,
                                                  std::span(rows_[l]).subspan(slot * most, most));
        if (!taken) error = taken.error();
        taken_[l][slot] = taken ? *taken : 0;
      }
    };
    auto outputs = runner_->run(batch, &observer);
    if (!outputs) return outputs.error();
    return error ? Status(*error) : Status();
  }

  std::vector<Gram::Rows> of(size_t layer, int batches) const {
    std::vector<Gram::Rows> rows;
    const size_t most = grams_[layer].inputs().most_taken();
    for (size_t slot = 0; slot < static_cast<size_t>(batches); ++slot) {
      rows.push_back(std::span(rows_[layer]).subspan(slot * most, taken_[layer][slot]));
    }
    return rows;
  }

 private:
  ir::Graph graph_;
  const std::vector<ir::Node*>& layers_;
  std::vector<Gram>& grams_;
  std::optional<quantize::Runner> runner_;
  std::vector<std::vector<float>> rows_;    // by layer: room for those of every slot
  std::vector<std::vector<size_t>> taken_;  // by layer and slot: numbers
};

Status observe(const ir::Graph& reference, const ir::Graph& graph, const std::vector<ir::Node*>& layers,
               std::vector<Gram>& grams, const quantize::Stream& stream, const std::string& what) {
  Rows current(prefix_of(graph, layers), layers, grams), target(prefix_of(reference, layers), layers, grams);
  EDGESMITH_TRY(current.prepare(stream.num_threads()));
  EDGESMITH_TRY(target.prepare(stream.num_threads()));
  const auto work = [&](const quantize::Stream::Batch& batch) -> Status {
    EDGESMITH_TRY(current.run(batch));
    return target.run(batch);
  };
  const auto fold = [&](int batches) {
    for (size_t l = 0; l < layers.size(); ++l) {
      grams[l].add(current.of(l, batches), target.of(l, batches), stream.pool());
    }
  };
  return stream.run(what, work, fold);
}

int most_stages(const ir::Graph& graph, const quantize::Stream& stream) {
  double macs = 1;
  for (const ir::Node& node : graph.nodes()) macs += static_cast<double>(ops::cost_of(node).macs);
  // A stage runs half of each of the two models on average.
  const double stages = kMostWork / (macs * static_cast<double>(stream.num_samples()));
  return static_cast<int>(std::clamp(stages, 1.0, 1e6));
}

}  // namespace

std::vector<std::vector<ir::Node*>> stages_of(const ir::Graph& graph, const std::vector<ir::Node*>& layers,
                                              int most_stages) {
  std::vector<int> depth(static_cast<size_t>(graph.num_value_ids()), 0);  // layers on the longest way to a value
  std::vector<std::vector<ir::Node*>> levels;
  for (ir::Node& node : graph.nodes()) {
    int deepest = 0;
    for (int i = 0; i < node.num_inputs(); ++i) {
      if (node.input(i) != nullptr) deepest = std::max(deepest, depth[id_of(*node.input(i))]);
    }
    if (std::find(layers.begin(), layers.end(), &node) != layers.end()) {
      levels.resize(std::max(levels.size(), static_cast<size_t>(deepest) + 1));
      levels[static_cast<size_t>(deepest)].push_back(&node);
      ++deepest;
    }
    for (int i = 0; i < node.num_outputs(); ++i) depth[id_of(node.output(i))] = deepest;
  }
  if (most_stages <= 0 || levels.size() <= static_cast<size_t>(most_stages)) return levels;
  std::vector<std::vector<ir::Node*>> stages(static_cast<size_t>(most_stages));
  for (size_t l = 0; l < levels.size(); ++l) {
    auto& stage = stages[l * static_cast<size_t>(most_stages) / levels.size()];
    stage.insert(stage.end(), levels[l].begin(), levels[l].end());
  }
  return stages;
}

Status compress_in_order(ir::Graph& graph, const std::vector<ir::Node*>& layers, const quantize::Stream& stream,
                         int64_t rows_per_input, const Compress& compress) {
  const ir::Graph reference = graph.clone();
  const auto stages = stages_of(graph, layers, most_stages(graph, stream));
  for (size_t s = 0; s < stages.size(); ++s) {
    std::vector<Gram> grams;
    for (const ir::Node* layer : stages[s]) {
      grams.emplace_back(*layer, stream.num_batches(), kWidestBlock, rows_per_input);
    }
    const std::string what = "observe inputs, stage " + std::to_string(s + 1) + " of " + std::to_string(stages.size());
    EDGESMITH_TRY(observe(reference, graph, stages[s], grams, stream, what));
    for (size_t l = 0; l < stages[s].size(); ++l) EDGESMITH_TRY(compress(*stages[s][l], grams[l]));
  }
  return {};
}

}  // namespace edgesmith::passes::reconstruct
