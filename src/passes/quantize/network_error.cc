// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/network_error.h"

#include <array>
#include <cmath>
#include <span>

#include "runtime/isa.h"
#include "runtime/native/statistics.h"

namespace edgesmith::passes::quantize {
namespace {

// Results of the original that are kept from one measurement for the next.
constexpr int64_t kMostKeptBytes = int64_t{8} << 20;

// Sums of squares of one value; `slots` hold those of the batches in flight.
struct Energy {
  double noise = 0, signal = 0;

  void add(std::span<const float> a, std::span<const float> b) {
    const auto squares = runtime::native::statistics_table(*runtime::isa_in_use()).squares;
    const auto sums = squares(a.data(), b.data(), static_cast<int64_t>(std::min(a.size(), b.size())));
    noise += sums.noise;
    signal += sums.signal;
  }
  void add(const Energy& other) {
    noise += other.noise;
    signal += other.signal;
  }
  double ratio() const { return signal > 0 ? noise / signal : (noise > 0 ? INFINITY : 0); }
};

// Energies of several values over all batches, added in the order of the batches.
class Energies {
 public:
  explicit Energies(size_t count) : slots_(Stream::kSlots, std::vector<Energy>(count)), sums_(count) {}

  Energy& at(const Stream::Batch& batch, size_t index) { return slots_[static_cast<size_t>(batch.slot)][index]; }
  const Energy& sum(size_t index) const { return sums_[index]; }

  void fold(int batches) {
    for (int slot = 0; slot < batches; ++slot) {
      for (size_t i = 0; i < sums_.size(); ++i) {
        sums_[i].add(slots_[static_cast<size_t>(slot)][i]);
        slots_[static_cast<size_t>(slot)][i] = {};
      }
    }
  }

 private:
  std::vector<std::vector<Energy>> slots_;
  std::vector<Energy> sums_;
};

// Adds what two sets of results differ by, from index `first` on.
void add_outputs(const std::vector<ir::Tensor>& reference, const std::vector<ir::Tensor>& results, size_t first,
                 const Stream::Batch& batch, Energies& energies) {
  for (size_t o = 0; o < reference.size(); ++o) {
    if (reference[o].dtype() != ir::DType::f32) continue;
    const ir::Tensor a = reference[o].dense(), b = results[o].dense();
    energies.at(batch, first + o).add(a.data<float>(), b.data<float>());
  }
}

// Copies numbers and returns how many of them are outside `range`.
int64_t copy_counting(std::span<const float> from, const Range& range, float* to) {
  int64_t outside = 0;
  constexpr size_t kPiece = 4096;  // so that counts fit the width of the floats
  for (size_t first = 0; first < from.size(); first += kPiece) {
    const size_t last = std::min(from.size(), first + kPiece);
    int32_t some = 0;
    for (size_t i = first; i < last; ++i) {
      const float x = from[i];
      some += static_cast<int32_t>((x < range.min) | (x > range.max));
      to[i] = x;
    }
    outside += some;
  }
  return outside;
}

double mean_ratio(const Energies& energies, size_t first, size_t count) {
  double sum = 0;
  for (size_t o = 0; o < count; ++o) sum += energies.sum(first + o).ratio() / static_cast<double>(count);
  return sum;
}

}  // namespace

double decibels(double noise_to_signal) { return noise_to_signal <= 0 ? INFINITY : -10 * std::log10(noise_to_signal); }

Result<std::vector<Runner>> OutputErrors::prepare(const std::vector<const ir::Graph*>& candidates) const {
  std::vector<std::optional<Result<Runner>>> made(candidates.size());
  stream_.pool().parallel_for(static_cast<int64_t>(candidates.size()), [&](int64_t g, int) {
    const runtime::ExecutorOptions options = {.arithmetic = kMeasuredArithmetic, .observed = {false}};  // no observers
    made[static_cast<size_t>(g)] = Runner::create(*candidates[static_cast<size_t>(g)], stream_.num_threads(), options);
  });
  std::vector<Runner> runners;
  for (auto& runner : made) {
    if (!*runner) return runner->error();
    runners.push_back(std::move(**runner));
  }
  return runners;
}

const OutputErrors::Outputs* OutputErrors::known(int64_t batch) const {
  if (!kept_.empty()) return &kept_[static_cast<size_t>(batch)];
  return reference_ != nullptr ? reference_->find(stream_.first_sample(batch)) : nullptr;
}

Result<std::vector<double>> OutputErrors::measure(const std::vector<const ir::Graph*>& candidates) {
  auto runners = prepare(candidates);
  if (!runners) return runners.error();
  std::vector<Runner*> all;
  for (Runner& runner : *runners) all.push_back(&runner);
  return measure(all, nullptr);
}

Result<std::vector<double>> OutputErrors::measure(const std::vector<Runner*>& candidates,
                                                  std::vector<std::vector<double>>* by_batch) {
  bool all_known = true;
  for (int64_t batch = 0; batch < stream_.num_batches(); ++batch) all_known = all_known && known(batch) != nullptr;
  std::optional<Runner> original;
  if (!all_known) {
    auto runner = Runner::create(original_, stream_.num_threads());
    if (!runner) return runner.error();
    original = std::move(*runner);
  }
  const auto outputs = static_cast<size_t>(original_.num_outputs());
  if (by_batch != nullptr) {
    by_batch->assign(candidates.size(), std::vector<double>(static_cast<size_t>(stream_.num_batches()), 0.0));
  }
  Energies energies(candidates.size() * outputs);
  std::vector<Outputs> seen(static_cast<size_t>(Stream::kSlots)), kept;
  int64_t kept_bytes = 0;
  const auto work = [&](const Stream::Batch& batch) -> Status {
    Outputs& reference = seen[static_cast<size_t>(batch.slot)];
    if (original) {
      auto results = original->run(batch);
      if (!results) return results.error();
      reference = std::move(*results);
    } else {
      reference = *known(batch.index);
    }
    for (size_t g = 0; g < candidates.size(); ++g) {
      auto results = candidates[g]->run(batch);
      if (!results) return results.error();
      add_outputs(reference, *results, g * outputs, batch, energies);
      if (by_batch == nullptr) continue;
      for (size_t o = 0; o < outputs; ++o) {
        (*by_batch)[g][static_cast<size_t>(batch.index)] += energies.at(batch, g * outputs + o).ratio();
      }
    }
    return {};
  };
  const auto fold = [&](int batches) {
    energies.fold(batches);
    for (int slot = 0; slot < batches && original; ++slot) {
      for (const ir::Tensor& tensor : seen[static_cast<size_t>(slot)]) kept_bytes += tensor.stored_bytes();
      if (kept_bytes <= kMostKeptBytes) kept.push_back(std::move(seen[static_cast<size_t>(slot)]));
    }
  };
  EDGESMITH_TRY(stream_.run("compare choices", work, fold));
  if (original && kept_bytes <= kMostKeptBytes) kept_ = std::move(kept);
  std::vector<double> errors;
  for (size_t g = 0; g < candidates.size(); ++g) errors.push_back(mean_ratio(energies, g * outputs, outputs));
  return errors;
}

Result<ValueErrors> measure_values(const ir::Graph& original, const ir::Graph& quantized,
                                   const std::vector<std::optional<Range>>& watched, const Stream& stream) {
  std::vector<bool> observed;
  for (const auto& range : watched) observed.push_back(range.has_value());
  std::array<std::optional<Result<Runner>>, 2> made;
  stream.pool().parallel_for(2, [&](int64_t g, int) {
    made[static_cast<size_t>(g)] = g == 0 ? Runner::create(original, stream.num_threads(), {.observed = observed})
                                          : Runner::create(quantized, stream.num_threads(),
                                                           {.arithmetic = kMeasuredArithmetic, .observed = observed});
  });
  Result<Runner>& reference = *made[0];
  Result<Runner>& runner = *made[1];
  if (!reference) return reference.error();
  if (!runner) return runner.error();
  struct Counts {
    int64_t outside = 0, all = 0;
  };
  std::vector<std::vector<Counts>> counts(static_cast<size_t>(stream.num_threads()),
                                          std::vector<Counts>(watched.size()));  // counts commute
  struct Floats {
    std::vector<float> numbers;  // room is kept from one batch to the next
    bool known = false;
  };
  std::vector<std::vector<Floats>> floats(static_cast<size_t>(stream.num_threads()),
                                          std::vector<Floats>(watched.size()));  // of one batch
  const size_t first_output = watched.size();
  Energies energies(first_output + static_cast<size_t>(original.num_outputs()));
  const auto work = [&](const Stream::Batch& batch) -> Status {
    std::vector<Floats>& own = floats[static_cast<size_t>(batch.thread)];
    for (Floats& one : own) one.known = false;
    const runtime::Observer keep = [&](const ir::Value& value, const ir::Tensor& tensor) {
      if (tensor.dtype() != ir::DType::f32) return;
      const ir::Tensor dense = tensor.dense();
      const auto id = static_cast<size_t>(value.id());
      const auto from = dense.data<float>();
      own[id].numbers.resize(from.size());
      Counts& count = counts[static_cast<size_t>(batch.thread)][id];
      count.outside += copy_counting(from, *watched[id], own[id].numbers.data());
      count.all += dense.size();
      own[id].known = true;
    };
    auto outputs = reference->run(batch, &keep);
    if (!outputs) return outputs.error();
    const runtime::Observer compare = [&](const ir::Value& value, const ir::Tensor& tensor) {
      const Floats& known = own[static_cast<size_t>(value.id())];
      if (tensor.dtype() != ir::DType::f32 || !known.known) return;
      energies.at(batch, static_cast<size_t>(value.id())).add(known.numbers, tensor.dense().data<float>());
    };
    auto results = runner->run(batch, &compare);
    if (!results) return results.error();
    add_outputs(*outputs, *results, first_output, batch, energies);
    return {};
  };
  EDGESMITH_TRY(stream.run("measure layers", work, [&](int batches) { energies.fold(batches); }));
  ValueErrors errors{.noise_to_signal = std::vector<double>(watched.size(), -1.0),
                     .share_outside = std::vector<double>(watched.size(), 0.0)};
  for (size_t id = 0; id < watched.size(); ++id) {
    const Energy& energy = energies.sum(id);
    if (watched[id] && (energy.signal > 0 || energy.noise > 0)) errors.noise_to_signal[id] = energy.ratio();
    Counts sum;
    for (const auto& own : counts) {
      sum.outside += own[id].outside;
      sum.all += own[id].all;
    }
    if (sum.all > 0) errors.share_outside[id] = static_cast<double>(sum.outside) / static_cast<double>(sum.all);
  }
  errors.outputs = mean_ratio(energies, first_output, static_cast<size_t>(original.num_outputs()));
  return errors;
}

}  // namespace edgesmith::passes::quantize
