// SPDX-License-Identifier: Apache-2.0
#include "train/shards.h"

#include <algorithm>
#include <string>

namespace edgesmith::train {
namespace {

// A batch is cut into so many shards, so that some threads find work.
constexpr int64_t kShardsOfBatch = 4;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace

Result<std::unique_ptr<Shards>> Shards::create(const TrainingGraph& training, const ir::Graph& student,
                                               const BatchForm& form, int64_t batch, int64_t memory_limit,
                                               ThreadPool& pool) {
  std::unique_ptr<Shards> shards(new Shards(training, pool));
  const bool fixed = form.per_sample && form.fixed > 0;
  const bool single = !form.per_sample || has_free_dims(student);
  const int64_t most = single  ? 1
                       : fixed ? form.fixed
                               : std::clamp<int64_t>(ceil_div(batch, kShardsOfBatch), 1, kMostOfShard);
  EDGESMITH_TRY(shards->choose_size(most, fixed, memory_limit));
  int64_t side_by_side = pool.num_threads();
  if (memory_limit > 0 && shards->activation_bytes_ > 0) {
    side_by_side = std::min(side_by_side, memory_limit / shards->activation_bytes_);
  }
  auto executor = runtime::Executor::create(training.graph, {.reassociate = true});
  if (!executor) return executor.error();
  shards->executor_ = std::move(*executor);
  shards->outputs_.resize(static_cast<size_t>(std::clamp<int64_t>(side_by_side, 1, ceil_div(batch, shards->size_))));
  for (size_t s = 0; s < shards->outputs_.size(); ++s) shards->sessions_.push_back(shards->executor_->make_session());
  return shards;
}

Status Shards::choose_size(int64_t most, bool fixed, int64_t memory_limit) {
  for (size_ = most;; size_ = ceil_div(size_, 2)) {
    const auto bytes = train::activation_bytes(training_.graph, size_);
    activation_bytes_ = bytes ? *bytes : 0;
    if (memory_limit == 0 || activation_bytes_ <= memory_limit) return {};
    if (size_ == 1 || fixed) {
      return io_error("training keeps " + std::to_string(activation_bytes_) + " bytes of activations for " +
                          std::to_string(size_) + " samples, the limit is " + std::to_string(memory_limit),
                      "raise --memory-limit");
    }
  }
}

Status Shards::run_one(std::span<const int64_t> samples, const Draw* draw, Feed& feed, const Weights& weights,
                       size_t slot, int thread) {
  auto fed = feed.load(samples, size_, thread, draw);
  if (!fed) return fed.error();
  std::vector<ir::Tensor> inputs = std::move(fed->inputs);
  const std::vector<ir::Tensor>& tensors = weights.tensors();
  inputs.insert(inputs.end(), tensors.begin(), tensors.end());
  inputs.insert(inputs.end(), fed->targets.begin(), fed->targets.end());
  inputs.push_back(fed->weights);
  return sessions_[slot]->run_into(inputs, outputs_[slot]);
}

Result<double> Shards::run(std::span<const int64_t> samples, const Draw* draw, Feed& feed, Weights& weights) {
  const auto batch = static_cast<int64_t>(samples.size()), shards = ceil_div(batch, size_);
  const auto most = static_cast<int64_t>(outputs_.size());
  double loss = 0;
  for (int64_t first = 0; first < shards; first += most) {
    const int64_t wave = std::min(most, shards - first);
    std::vector<std::optional<Error>> errors(static_cast<size_t>(wave));
    pool_.parallel_for(wave, [&](int64_t index, int thread) {
      const auto slot = static_cast<size_t>(index);
      const int64_t begin = (first + index) * size_, end = std::min(batch, begin + size_);
      const Status status = run_one(samples.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin)), draw,
                                    feed, weights, slot, thread);
      if (!status) errors[slot] = status.error();
    });
    for (const auto& error : errors) {
      if (error) return *error;
    }
    for (int64_t index = 0; index < wave; ++index) {
      loss += static_cast<double>(outputs_[static_cast<size_t>(index)][training_.loss].data<float>()[0]);
    }
    weights.add_gradients(std::span(outputs_).first(static_cast<size_t>(wave)), first == 0);
  }
  return loss;
}

}  // namespace edgesmith::train
