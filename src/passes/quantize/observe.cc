// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/observe.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace edgesmith::passes::quantize {
namespace {

// Weight of the past in the moving averages, per batch.
constexpr double kMomentum = 0.99;

size_t id_of(const ir::Value& value) { return static_cast<size_t>(value.id()); }

struct Seen {
  Range range;
  bool any = false, finite = true;
};

Seen look_at(std::span<const float> values) {
  if (values.empty()) return {};
  // Lanes side by side, so that compilers make vectors of them; sums become NaN as soon as one value is not finite.
  constexpr size_t kLanes = 16;
  std::array<float, kLanes> min, max, sum;
  min.fill(values[0]);
  max.fill(values[0]);
  sum.fill(0);
  const auto look = [&](size_t lane, float value) {
    min[lane] = value < min[lane] ? value : min[lane];
    max[lane] = value > max[lane] ? value : max[lane];
    sum[lane] += value * 0.0F;
  };
  const size_t whole = values.size() / kLanes * kLanes;
  for (size_t i = 0; i < whole; i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) look(lane, values[i + lane]);
  }
  for (size_t i = whole; i < values.size(); ++i) look(i - whole, values[i]);
  for (size_t lane = 1; lane < kLanes; ++lane) {
    min[0] = std::min(min[0], min[lane]);
    max[0] = std::max(max[0], max[lane]);
    sum[0] += sum[lane];
  }
  return {.range = {min[0], max[0]}, .any = true, .finite = sum[0] == 0.0F};
}

// The samples' own name for a value, for messages.
std::string describe(const ir::Value& value) {
  const std::string name = value.name().empty() ? value.node().label() : "'" + value.name() + "'";
  return value.is_graph_input() ? "input " + name : "value " + name;
}

}  // namespace

Result<Extremes> observe_extremes(const ir::Graph& graph, const std::vector<ir::Value*>& watched,
                                  const Stream& stream) {
  const auto count = static_cast<size_t>(graph.num_value_ids());
  std::vector<bool> wanted(count, false);
  for (const ir::Value* value : watched) wanted[id_of(*value)] = value->type().dtype == ir::DType::f32;
  auto runner = Runner::create(graph, stream.num_threads());
  if (!runner) return runner.error();
  std::vector<std::vector<Seen>> slots(Stream::kSlots, std::vector<Seen>(count));
  Extremes extremes{.range = std::vector<Range>(count), .moving_average = std::vector<Range>(count)};
  std::vector<bool> started(count, false);

  const auto work = [&](const Stream::Batch& batch) -> Status {
    std::vector<Seen>& seen = slots[static_cast<size_t>(batch.slot)];
    std::optional<Error> error;
    const runtime::Observer observer = [&](const ir::Value& value, const ir::Tensor& tensor) {
      if (!wanted[id_of(value)] || tensor.dtype() != ir::DType::f32) return;
      seen[id_of(value)] = look_at(tensor.dense().data<float>());
      if (seen[id_of(value)].finite || error) return;
      error = invalid_error(stream.batch_name(batch.index) + ": " + describe(value) + " holds NaN or infinity",
                            "remove the sample, or look into the model");
    };
    auto outputs = runner->run(batch, &observer);
    if (!outputs) return outputs.error();
    return error ? Status(*error) : Status();
  };
  const auto fold = [&](int batches) {
    for (size_t id = 0; id < count; ++id) {
      for (int slot = 0; slot < batches; ++slot) {
        Seen& seen = slots[static_cast<size_t>(slot)][id];
        if (!seen.any) continue;
        Range& range = extremes.range[id];
        Range& average = extremes.moving_average[id];
        range = started[id] ? range.joined(seen.range) : seen.range;
        const auto blend = [&](float old, float now) {
          return static_cast<float>(kMomentum * old + (1 - kMomentum) * now);
        };
        average =
            started[id] ? Range{blend(average.min, seen.range.min), blend(average.max, seen.range.max)} : seen.range;
        started[id] = true;
        seen = {};
      }
    }
  };
  EDGESMITH_TRY(stream.run("observe ranges", work, fold));
  return extremes;
}

Result<std::vector<Observations>> observe_distributions(const ir::Graph& graph, const Plan& plan,
                                                        const Extremes& extremes,
                                                        const std::vector<WatchedLayer>& layers,
                                                        std::vector<LayerInputs>& inputs, ThreadPool& pool,
                                                        const Stream& stream) {
  auto runner = Runner::create(graph, stream.num_threads());
  if (!runner) return runner.error();
  std::vector<Observations> observed(plan.sets.size());
  for (size_t s = 0; s < plan.sets.size(); ++s) {
    bool first = true;
    for (const ir::Value* value : plan.sets[s].values) {
      const Range range = extremes.range[id_of(*value)], average = extremes.moving_average[id_of(*value)];
      observed[s].extremes = first ? range : observed[s].extremes.joined(range);
      observed[s].moving_average = first ? average : observed[s].moving_average.joined(average);
      first = false;
    }
    observed[s].histogram = Histogram(observed[s].extremes.joined({0, 0}));
  }
  std::vector<std::vector<Histogram>> histograms(static_cast<size_t>(stream.num_threads()));  // counts commute
  for (auto& own : histograms) {
    for (const Observations& set : observed) own.emplace_back(set.histogram.range());
  }
  std::vector<std::vector<size_t>> readers(plan.set_of.size());  // by value id: indices into `layers`
  for (size_t l = 0; l < layers.size(); ++l) readers[id_of(*layers[l].node->input(0))].push_back(l);
  std::vector<std::vector<std::vector<float>>> rows(layers.size(), std::vector<std::vector<float>>(Stream::kSlots));

  const auto work = [&](const Stream::Batch& batch) -> Status {
    Status status;
    const runtime::Observer observer = [&](const ir::Value& value, const ir::Tensor& tensor) {
      const int set = plan.set_index(value);
      if (set >= 0) {
        histograms[static_cast<size_t>(batch.thread)][static_cast<size_t>(set)].add(tensor.dense().data<float>());
      }
      for (const size_t l : readers[id_of(value)]) {
        std::vector<float>& to = rows[l][static_cast<size_t>(batch.slot)];
        to.clear();
        const Status taken =
            inputs[static_cast<size_t>(layers[l].inputs)].take_rows(*layers[l].node, tensor, batch.index, to);
        if (!taken) status = taken;
      }
    };
    auto outputs = runner->run(batch, &observer);
    return outputs ? status : Status(outputs.error());
  };
  const auto fold = [&](int batches) {
    pool.parallel_for(static_cast<int64_t>(inputs.size()), [&](int64_t index, int) {
      for (size_t l = 0; l < layers.size(); ++l) {
        if (layers[l].inputs != index) continue;
        for (int slot = 0; slot < batches; ++slot)
          inputs[static_cast<size_t>(index)].add_rows(rows[l][static_cast<size_t>(slot)]);
      }
    });
  };
  EDGESMITH_TRY(stream.run("observe distributions", work, fold));
  for (const auto& own : histograms) {
    for (size_t s = 0; s < observed.size(); ++s) observed[s].histogram.merge(own[s]);
  }
  return observed;
}

}  // namespace edgesmith::passes::quantize
