// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/network_error.h"

#include <cmath>
#include <map>

namespace edgesmith::passes::quantize {
namespace {

// Sums of squares of one value; `slots` hold those of the batches in flight.
struct Energy {
  double noise = 0, signal = 0;

  void add(const ir::Tensor& reference, const ir::Tensor& tensor) {
    const auto a = reference.data<float>(), b = tensor.data<float>();
    for (size_t i = 0; i < a.size() && i < b.size(); ++i) {
      const double error = static_cast<double>(a[i]) - b[i];
      noise += error * error;
      signal += static_cast<double>(a[i]) * a[i];
    }
  }
  void add(const Energy& other) {
    noise += other.noise;
    signal += other.signal;
  }
  double ratio() const { return signal > 0 ? noise / signal : (noise > 0 ? INFINITY : 0); }
};

}  // namespace

double decibels(double noise_to_signal) { return noise_to_signal > 0 ? -10 * std::log10(noise_to_signal) : INFINITY; }

Result<std::vector<double>> measure_outputs(const ir::Graph& original, const std::vector<const ir::Graph*>& candidates,
                                            const Stream& stream) {
  std::vector<Runner> runners;
  for (size_t g = 0; g <= candidates.size(); ++g) {
    auto runner = Runner::create(g == 0 ? original : *candidates[g - 1], stream.num_threads());
    if (!runner) return runner.error();
    runners.push_back(std::move(*runner));
  }
  const auto outputs = static_cast<size_t>(original.num_outputs());
  const size_t cells = candidates.size() * outputs;
  std::vector<std::vector<Energy>> slots(Stream::kSlots, std::vector<Energy>(cells));
  std::vector<Energy> sums(cells);
  const auto work = [&](const Stream::Batch& batch) -> Status {
    auto reference = runners[0].run(batch);
    if (!reference) return reference.error();
    for (size_t g = 0; g < candidates.size(); ++g) {
      auto results = runners[g + 1].run(batch);
      if (!results) return results.error();
      for (size_t o = 0; o < outputs; ++o) {
        if ((*reference)[o].dtype() != ir::DType::f32) continue;
        slots[static_cast<size_t>(batch.slot)][g * outputs + o].add((*reference)[o].dense(), (*results)[o].dense());
      }
    }
    return {};
  };
  const auto fold = [&](int batches) {
    for (int slot = 0; slot < batches; ++slot) {
      for (size_t cell = 0; cell < cells; ++cell) {
        sums[cell].add(slots[static_cast<size_t>(slot)][cell]);
        slots[static_cast<size_t>(slot)][cell] = {};
      }
    }
  };
  EDGESMITH_TRY(stream.run("compare choices", work, fold));
  std::vector<double> errors(candidates.size(), 0.0);
  for (size_t g = 0; g < candidates.size(); ++g) {
    for (size_t o = 0; o < outputs; ++o) errors[g] += sums[g * outputs + o].ratio() / static_cast<double>(outputs);
  }
  return errors;
}

Result<std::vector<double>> measure_values(const ir::Graph& original, const ir::Graph& quantized,
                                           const std::vector<bool>& wanted, const Stream& stream) {
  auto reference = Runner::create(original, stream.num_threads());
  if (!reference) return reference.error();
  auto runner = Runner::create(quantized, stream.num_threads());
  if (!runner) return runner.error();
  std::vector<std::vector<Energy>> slots(Stream::kSlots, std::vector<Energy>(wanted.size()));
  std::vector<Energy> sums(wanted.size());
  const auto is_wanted = [&](const ir::Value& value, const ir::Tensor& tensor) {
    const auto id = static_cast<size_t>(value.id());
    return id < wanted.size() && wanted[id] && tensor.dtype() == ir::DType::f32;
  };
  const auto work = [&](const Stream::Batch& batch) -> Status {
    std::map<int, ir::Tensor> floats;  // of this batch only
    const runtime::Observer keep = [&](const ir::Value& value, const ir::Tensor& tensor) {
      if (!is_wanted(value, tensor)) return;
      const ir::Tensor dense = tensor.dense();
      floats.emplace(value.id(), ir::Tensor::of<float>(dense.dims(), dense.data<float>()));
    };
    auto outputs = reference->run(batch, &keep);
    if (!outputs) return outputs.error();
    const runtime::Observer compare = [&](const ir::Value& value, const ir::Tensor& tensor) {
      if (!is_wanted(value, tensor) || floats.count(value.id()) == 0) return;
      slots[static_cast<size_t>(batch.slot)][static_cast<size_t>(value.id())].add(floats.at(value.id()),
                                                                                  tensor.dense());
    };
    outputs = runner->run(batch, &compare);
    return outputs ? Status() : Status(outputs.error());
  };
  const auto fold = [&](int batches) {
    for (int slot = 0; slot < batches; ++slot) {
      for (size_t id = 0; id < sums.size(); ++id) {
        sums[id].add(slots[static_cast<size_t>(slot)][id]);
        slots[static_cast<size_t>(slot)][id] = {};
      }
    }
  };
  EDGESMITH_TRY(stream.run("measure layers", work, fold));
  std::vector<double> ratios(wanted.size(), -1.0);
  for (size_t id = 0; id < wanted.size(); ++id) {
    if (wanted[id] && (sums[id].signal > 0 || sums[id].noise > 0)) ratios[id] = sums[id].ratio();
  }
  return ratios;
}

}  // namespace edgesmith::passes::quantize
