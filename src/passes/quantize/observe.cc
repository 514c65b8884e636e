// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/observe.h"

#include <algorithm>
#include <array>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "edgesmith/base/large_buffer.h"
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

// Where the rows of the layers wait, by layer and slot, until a block of batches is done: those of one group in panels,
// others one slot behind the other. While their products are made, those of the next block come to other memory.
class RowCollector {
 public:
  RowCollector(const std::vector<WatchedLayer>& layers, std::vector<LayerInputs>& inputs, int num_values)
      : layers_(layers), inputs_(inputs), readers_(static_cast<size_t>(num_values)) {
    size_t all = 0;
    for (size_t l = 0; l < layers.size(); ++l) {
      readers_[id_of(*layers[l].node->input(0))].push_back(l);
      places_.push_back(all);
      const size_t room = paneled(l) ? static_cast<size_t>(inputs_of(l).panels().floats_per_row() * room_of(l))
                                     : inputs_of(l).most_taken() * Stream::kSlots + LayerInputs::kReadAhead;
      all += (room + kLine - 1) / kLine * kLine;
      taken_.emplace_back(Stream::kSlots, 0);
    }
    for (LargeBuffer& rows : rows_) rows = LargeBuffer(all * sizeof(float));
    for (size_t i = 0; i < inputs.size(); ++i) {
      const auto pieces =
          inputs[i].groups() > 1 ? static_cast<size_t>(inputs[i].num_pieces()) : inputs[i].panels().panels().size();
      for (size_t piece = 0; piece < pieces; ++piece) pieces_.emplace_back(i, piece);
    }
  }

  bool wants(const ir::Value& value) const { return !readers_[id_of(value)].empty(); }

  Status take(const ir::Value& value, const ir::Tensor& tensor, const Stream::Batch& batch) {
    const auto slot = static_cast<size_t>(batch.slot);
    for (const size_t l : readers_[id_of(value)]) {
      const LayerInputs& inputs = inputs_of(l);
      const ir::Node& node = *layers_[l].node;
      if (paneled(l)) {
        const int64_t first_row = batch.slot * inputs.rows_per_sample();
        const auto taken = inputs.take_rows(node, tensor, batch.index, coming(l), room_of(l), first_row);
        if (!taken) return taken.error();
        taken_[l][slot] = static_cast<size_t>(*taken);
        continue;
      }
      const std::span<float> to(coming(l) + slot * inputs.most_taken(), inputs.most_taken());
      const auto taken = inputs.take_rows(node, tensor, batch.index, to);
      if (!taken) return taken.error();
      taken_[l][slot] = *taken;
    }
    return {};
  }

  // Leaves what the first `batches` slots hold to tasks().
  void fold(int batches) {
    waiting_.assign(inputs_.size(), {});  // layers that share their inputs in their order
    for (size_t l = 0; l < layers_.size(); ++l) {
      waiting_[static_cast<size_t>(layers_[l].inputs)].push_back(join(l, static_cast<size_t>(batches)));
    }
    coming_ = 1 - coming_;
  }

  // What is to do after each fold(), before the next one: it adds the rows to the sums.
  Stream::Tasks tasks() {
    return {static_cast<int64_t>(inputs_.size() + pieces_.size()), [this](int64_t task) {
              const auto index = static_cast<size_t>(task);
              if (index < inputs_.size()) return add_means(index);
              add_products(pieces_[index - inputs_.size()].first, pieces_[index - inputs_.size()].second);
            }};
  }

 private:
  static constexpr size_t kLine = 16;  // numbers

  // What some slots of a layer hold.
  struct Rows {
    std::vector<LayerInputs::Rows> slots;
    const float* panels = nullptr;  // with one group
    int64_t room = 0, count = 0;
  };

  LayerInputs& inputs_of(size_t layer) const { return inputs_[static_cast<size_t>(layers_[layer].inputs)]; }
  void add_means(size_t index) {
    LayerInputs& inputs = inputs_[index];
    for (const Rows& own : waiting_[index]) {
      inputs.groups() > 1 ? inputs.add_means(own.slots) : inputs.add_means(own.panels, own.room, own.count);
    }
  }

  void add_products(size_t index, size_t piece) {
    LayerInputs& inputs = inputs_[index];
    for (const Rows& own : waiting_[index]) {
      inputs.groups() > 1 ? inputs.add_products(own.slots, static_cast<int64_t>(piece))
                          : inputs.add_products(own.panels, own.room, own.count, piece);
    }
  }

  bool paneled(size_t layer) const { return inputs_of(layer).groups() == 1; }
  int64_t room_of(size_t layer) const { return inputs_of(layer).rows_per_sample() * Stream::kSlots; }
  float* coming(size_t layer) const { return rows_[coming_].floats() + places_[layer]; }

  // With one group they become a single matrix, since few long sums of products are made in less time than many short
  // ones.
  Rows join(size_t layer, size_t batches) const {
    Rows rows;
    LayerInputs& inputs = inputs_of(layer);
    if (!paneled(layer)) {
      std::vector<std::span<float>> slots;
      for (size_t slot = 0; slot < batches; ++slot) {
        slots.emplace_back(coming(layer) + slot * inputs.most_taken(), taken_[layer][slot]);
      }
      rows.slots.assign(slots.begin(), slots.end());
      inputs.choose_shift(rows.slots);
      for (const std::span<float> slot : slots) inputs.shift(slot);
      return rows;
    }
    float* const panels = coming(layer);
    rows.panels = panels;
    rows.room = room_of(layer);
    for (size_t slot = 0; slot < batches; ++slot) {
      const int64_t from = static_cast<int64_t>(slot) * inputs.rows_per_sample();
      const auto taken = static_cast<int64_t>(taken_[layer][slot]);
      if (from != rows.count) inputs.panels().move_rows(coming(layer), rows.room, from, rows.count, taken);
      rows.count += taken;  // samples before may have given fewer rows
    }
    inputs.choose_shift(panels, rows.room, rows.count);
    inputs.shift(panels, rows.room, rows.count);
    return rows;
  }

  const std::vector<WatchedLayer>& layers_;
  std::vector<LayerInputs>& inputs_;
  std::vector<std::vector<size_t>> readers_;  // by value id: indices into `layers_`
  std::vector<size_t> places_;                // by layer: where its rows begin, those of every slot
  std::array<LargeBuffer, 2> rows_;           // of all layers: of the block that comes, and of the one before
  size_t coming_ = 0;
  std::vector<std::vector<Rows>> waiting_;         // by inputs: what tasks() adds
  std::vector<std::vector<size_t>> taken_;         // by layer and slot: rows, or numbers where there are no panels
  std::vector<std::pair<size_t, size_t>> pieces_;  // of all inputs
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
  pool.parallel_for(static_cast<int64_t>(inputs.size()),
                    [&](int64_t i, int) { inputs[static_cast<size_t>(i)].make_sums(); });
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
    rows.fold(batches);
    for (int slot = 0; slot < batches && what.reference != nullptr; ++slot) {
      what.reference->keep(stream.first_sample(next++), std::move(results[static_cast<size_t>(slot)]));
    }
  };
  EDGESMITH_TRY(stream.run("observe ranges", work, fold, rows.tasks()));
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
