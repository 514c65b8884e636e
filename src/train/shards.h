// SPDX-License-Identifier: Apache-2.0
// A batch on its way through the training graph: cut into shards of a size that the batch alone decides, each on one
// thread. Losses and gradients are summed in the order of the shards:
//
//   batch ─┬─ shard 0 ─▶ decode ─▶ teacher ─▶ loss, gradients ─┐
//          └─ shard 1 ─▶ decode ─▶ teacher ─▶ loss, gradients ─┴─▶ sum
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/base/thread_pool.h"
#include "edgesmith/runtime/executor.h"
#include "train/feed.h"
#include "train/training_graph.h"
#include "train/weights.h"

namespace edgesmith::train {

class Shards {
 public:
  /// No shard is larger than that, so that its activations stay near the core.
  static constexpr int64_t kMostOfShard = 32;

  /// For batches of `batch` samples. Shards are smaller, or fewer run side by side, where their activations would take
  /// more than `memory_limit` bytes (0: any). `training` must outlive it. Errors: io (one sample takes more than that);
  /// those of making an executor.
  static Result<std::unique_ptr<Shards>> create(const TrainingGraph& training, const ir::Graph& student,
                                                const BatchForm& form, int64_t batch, int64_t memory_limit,
                                                ThreadPool& pool);

  int64_t size() const { return size_; }                          ///< samples of a shard
  int64_t activation_bytes() const { return activation_bytes_; }  ///< of a shard; 0: the plan cannot tell

  /// The sum of the losses of `samples`; their gradients are added in `weights`. `draw`: how they are augmented; null:
  /// they are as they are. Errors: those of Feed::load and of running.
  Result<double> run(std::span<const int64_t> samples, const Draw* draw, Feed& feed, Weights& weights);

 private:
  Shards(const TrainingGraph& training, ThreadPool& pool) : training_(training), pool_(pool) {}
  Status choose_size(int64_t most, bool fixed, int64_t memory_limit);
  Status run_one(std::span<const int64_t> samples, const Draw* draw, Feed& feed, const Weights& weights, size_t slot,
                 int thread);

  const TrainingGraph& training_;
  ThreadPool& pool_;
  int64_t size_ = 0, activation_bytes_ = 0;
  std::unique_ptr<runtime::Executor> executor_;
  std::vector<std::unique_ptr<runtime::Executor::Session>> sessions_;  ///< by slot: shards that run side by side
  std::vector<std::vector<ir::Tensor>> outputs_;                       ///< likewise
};

}  // namespace edgesmith::train
