// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/observe.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "runtime/isa.h"
#include "runtime/native/statistics.h"

namespace edgesmith::passes::quantize {
namespace {

// Weight of the past in the moving averages, per batch.
constexpr double kMomentum = 0.99;

size_t id_of(const ir::Value& value) { return static_cast<size_t>(value.id()); }

using Ends = runtime::native::Ends;

// The ends of the values of one batch, where there were any.
using Seen = std::optional<Ends>;

// Where the rows of the layers wait, by layer and slot, until a block of batches is done.
class RowCollector {
 public:
  RowCollector(const std::vector<WatchedLayer>& layers, std::vector<LayerInputs>& inputs, int num_values)
      : layers_(layers), inputs_(inputs), readers_(static_cast<size_t>(num_values)) {
    for (size_t l = 0; l < layers.size(); ++l) {
      readers_[id_of(*layers[l].node->input(0))].push_back(l);
      const size_t room = inputs_of(l).most_taken() * Stream::kSlots + LayerInputs::kReadAhead;
      rows_.push_back(std::make_unique_for_overwrite<float[]>(room));
      taken_.emplace_back(Stream::kSlots, 0);
    }
    for (size_t i = 0; i < inputs.size(); ++i) {
      for (int64_t piece = 0; piece < inputs[i].num_pieces(); ++piece) pieces_.emplace_back(i, piece);
    }
  }

  bool wants(const ir::Value& value) const { return !readers_[id_of(value)].empty(); }

  Status take(const ir::Value& value, const ir::Tensor& tensor, const Stream::Batch& batch) {
    for (const size_t l : readers_[id_of(value)]) {
      const auto slot = static_cast<size_t>(batch.slot);
      const std::span<float> to(rows_of(l, slot), inputs_of(l).most_taken());
      const auto taken = inputs_of(l).take_rows(*layers_[l].node, tensor, batch.index, to);
      if (!taken) return taken.error();
      taken_[l][slot] = *taken;
    }
    return {};
  }

  // Adds what the first `batches` slots hold.
  void fold(int batches, ThreadPool& pool) {
    std::vector<std::vector<LayerInputs::Rows>> rows(inputs_.size());  // layers that share their inputs in their order
    for (size_t l = 0; l < layers_.size(); ++l) {
      add_rows(l, static_cast<size_t>(batches), rows[static_cast<size_t>(layers_[l].inputs)]);
    }
    pool.parallel_for(static_cast<int64_t>(inputs_.size()), [&](int64_t index, int) {
      inputs_[static_cast<size_t>(index)].add_means(rows[static_cast<size_t>(index)]);
    });
    pool.parallel_for(static_cast<int64_t>(pieces_.size()), [&](int64_t task, int) {
      const auto& [index, piece] = pieces_[static_cast<size_t>(task)];
      inputs_[index].add_products(rows[index], piece);
    });
  }

 private:
  LayerInputs& inputs_of(size_t layer) const { return inputs_[static_cast<size_t>(layers_[layer].inputs)]; }
  float* rows_of(size_t layer, size_t slot) const { return rows_[layer].get() + slot * inputs_of(layer).most_taken(); }

  // What some slots of a layer hold: with one group a single matrix, since few long sums of products are made in less
  // time than many short ones.
  void add_rows(size_t layer, size_t batches, std::vector<LayerInputs::Rows>& rows) const {
    if (inputs_of(layer).groups() > 1) {
      for (size_t slot = 0; slot < batches; ++slot) rows.emplace_back(rows_of(layer, slot), taken_[layer][slot]);
      return;
    }
    float* end = rows_of(layer, 0);
    for (size_t slot = 0; slot < batches; ++slot) {
      const float* from = rows_of(layer, slot);
      if (from != end) std::memmove(end, from, taken_[layer][slot] * sizeof(float));  // samples before gave fewer rows
      end += taken_[layer][slot];
    }
    rows.emplace_back(rows_of(layer, 0), end);
  }

  const std::vector<WatchedLayer>& layers_;
  std::vector<LayerInputs>& inputs_;
  std::vector<std::vector<size_t>> readers_;        // by value id: indices into `layers_`
  std::vector<std::unique_ptr<float[]>> rows_;      // by layer: room for those of every slot
  std::vector<std::vector<size_t>> taken_;          // by layer and slot: numbers
  std::vector<std::pair<size_t, int64_t>> pieces_;  // of all inputs
};

// Whether what is not finite in `tensor` is minus infinity, as in attention masks (masks.h).
bool is_mask(const ir::Tensor& tensor) {
  const auto numbers = tensor.data<float>();
  return std::all_of(numbers.begin(), numbers.end(),
                     [](float x) { return x < std::numeric_limits<float>::infinity(); });
}

// Weights that do not lie at whole words of their file are copied when they are first read: here by all threads, not by
// the one that prepares the model to run.
void align_constants(const ir::Graph& graph, ThreadPool& pool) {
  std::vector<const ir::Tensor*> constants;
  for (const ir::Node& node : graph.nodes()) {
    if (!node.is(ir::OpKind::constant)) continue;
    const ir::Tensor& tensor = node.tensor();
    if (tensor.encoding() == ir::Encoding::dense && tensor.dtype() == ir::DType::f32) constants.push_back(&tensor);
  }
  pool.parallel_for(static_cast<int64_t>(constants.size()),
                    [&](int64_t i, int) { (void)constants[static_cast<size_t>(i)]->data<float>(); });
}

// The samples' own name for a value, for messages.
std::string describe(const ir::Value& value) {
  const std::string name = value.name().empty() ? value.node().label() : "'" + value.name() + "'";
  return value.is_graph_input() ? "input " + name : "value " + name;
}

}  // namespace

Result<Extremes> observe(const ir::Graph& graph, const WhatToObserve& what, std::vector<LayerInputs>& inputs,
                         ThreadPool& pool, const Stream& stream) {
  const auto count = static_cast<size_t>(graph.num_value_ids());
  const auto find_ends = runtime::native::statistics_table(*runtime::isa_in_use()).ends;
  RowCollector rows(what.layers, inputs, graph.num_value_ids());
  std::vector<bool> wanted(count, false), observed(count, false);
  for (const ir::Value* value : what.values) wanted[id_of(*value)] = value->type().dtype == ir::DType::f32;
  for (const ir::Node& node : graph.nodes()) {
    for (int i = 0; i < node.num_outputs(); ++i) {
      const size_t id = id_of(node.output(i));
      observed[id] = wanted[id] || rows.wants(node.output(i));
    }
  }
  align_constants(graph, pool);
  auto runner = Runner::create(graph, stream.num_threads(), {.observed = observed});
  if (!runner) return runner.error();
  std::vector<std::vector<Seen>> slots(Stream::kSlots, std::vector<Seen>(count));
  Extremes extremes{.range = std::vector<Range>(count),
                    .moving_average = std::vector<Range>(count),
                    .distributions = std::vector<Distribution>(count)};
  std::vector<Distribution> own(static_cast<size_t>(stream.num_threads()));  // of one tensor, by thread
  std::array<std::mutex, 64> locks;                                          // of the distributions: counts commute
  std::vector<bool> started(count, false);
  std::vector<std::vector<ir::Tensor>> results(what.reference != nullptr ? Stream::kSlots : 0);  // by slot
  int64_t next = 0;                                                                              // batch

  const auto work = [&](const Stream::Batch& batch) -> Status {
    std::vector<Seen>& seen = slots[static_cast<size_t>(batch.slot)];
    std::optional<Error> error;
    const runtime::Observer observer = [&](const ir::Value& value, const ir::Tensor& tensor) {
      if (error || tensor.dtype() != ir::DType::f32) return;
      const ir::Tensor dense = tensor.dense();
      if (wanted[id_of(value)] && dense.size() > 0) {
        seen[id_of(value)] = find_ends(dense.data<float>().data(), dense.size());
        if (!seen[id_of(value)]->finite && !value.is_graph_input() && is_mask(dense)) {
          seen[id_of(value)]->min = -std::numeric_limits<float>::infinity();
        } else if (!seen[id_of(value)]->finite) {
          error = invalid_error(stream.batch_name(batch.index) + ": " + describe(value) + " holds NaN or infinity",
                                "remove the sample, or look into the model");
          return;
        } else if (what.distributions && !value.is_graph_input()) {
          // Counts commute. Those of large tensors are made before others have to wait.
          const Range ends = {seen[id_of(value)]->min, seen[id_of(value)]->max};
          Distribution& one = own[static_cast<size_t>(batch.thread)];
          const bool few = static_cast<size_t>(dense.size()) <= Distribution::kFew;
          if (!few) one.count_anew(dense.data<float>(), ends);
          const std::lock_guard lock(locks[id_of(value) % locks.size()]);
          Distribution& all = extremes.distributions[id_of(value)];
          few ? all.add(dense.data<float>(), ends) : all.merge(one);
        }
      }
      if (!rows.wants(value)) return;
      const Status taken = rows.take(value, dense, batch);
      if (!taken) error = taken.error();
    };
    auto outputs = runner->run(batch, &observer);
    if (!outputs) return outputs.error();
    if (what.reference != nullptr) results[static_cast<size_t>(batch.slot)] = std::move(*outputs);
    return error ? Status(*error) : Status();
  };
  const auto fold = [&](int batches) {
    for (size_t id = 0; id < count; ++id) {
      for (int slot = 0; slot < batches; ++slot) {
        Seen& seen = slots[static_cast<size_t>(slot)][id];
        if (!seen) continue;
        const Range now = {seen->min, seen->max};
        Range& range = extremes.range[id];
        Range& average = extremes.moving_average[id];
        range = started[id] ? range.joined(now) : now;
        const auto blend = [&](float old, float value) {
          return static_cast<float>(kMomentum * old + (1 - kMomentum) * value);
        };
        average = started[id] ? Range{blend(average.min, now.min), blend(average.max, now.max)} : now;
        started[id] = true;
        seen.reset();
      }
    }
    rows.fold(batches, pool);
    for (int slot = 0; slot < batches && what.reference != nullptr; ++slot) {
      what.reference->keep(stream.first_sample(next++), std::move(results[static_cast<size_t>(slot)]));
    }
  };
  EDGESMITH_TRY(stream.run("observe ranges", work, fold));
  return extremes;
}

std::vector<Observations> join_extremes(const Plan& plan, const Extremes& extremes, const std::vector<bool>& wanted) {
  std::vector<Observations> observed(plan.sets.size());
  for (size_t s = 0; s < plan.sets.size(); ++s) {
    bool first = true;
    Distribution distribution;
    for (const ir::Value* value : plan.sets[s].values) {
      const Range range = extremes.range[id_of(*value)], average = extremes.moving_average[id_of(*value)];
      observed[s].extremes = first ? range : observed[s].extremes.joined(range);
      observed[s].moving_average = first ? average : observed[s].moving_average.joined(average);
      first = false;
      if (wanted[s]) distribution.merge(extremes.distributions[id_of(*value)]);
    }
    if (wanted[s]) observed[s].histogram = Histogram(distribution, observed[s].extremes.joined({0, 0}));
  }
  return observed;
}

}  // namespace edgesmith::passes::quantize
