// SPDX-License-Identifier: Apache-2.0
// Feeding calibration samples to executors: on all threads, with results that do not depend on their number.
#pragma once

#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "edgesmith/base/progress.h"
#include "edgesmith/base/thread_pool.h"
#include "edgesmith/data/dataset.h"
#include "edgesmith/ir/graph.h"
#include "edgesmith/runtime/executor.h"

namespace edgesmith::passes::quantize {

/// A run over samples of a data set, a few batches at a time.
class Stream {
 public:
  /// Batches computed side by side; a fixed number, so that sums are combined in an order that does not depend on the
  /// number of threads.
  static constexpr int kSlots = 8;

  /// One batch: its tensors (one a graph input), its place among the batches, and the slot and thread that run it.
  struct Batch {
    std::span<const ir::Tensor> inputs;
    int64_t index = 0;
    int slot = 0;
    int thread = 0;
  };

  /// Samples of `dataset` for the inputs of `graph`: all, or `limit` of them at equal distances, starting `phase` of a
  /// distance after the first. A batch is one sample (as many as the model's fixed batch).
  Stream(const data::Dataset& dataset, const ir::Graph& graph, ThreadPool& pool, ProgressSink& progress,
         int64_t limit = 0, double phase = 0);

  /// The batches which, which + share, which + 2 share and so on.
  Stream part(int64_t share, int64_t which) const;
  /// All batches but those.
  Stream without(int64_t share, int64_t which) const;

  int64_t num_samples() const { return static_cast<int64_t>(samples_.size()); }
  int64_t num_batches() const;
  int num_threads() const { return pool_.num_threads(); }
  ThreadPool& pool() const { return pool_; }
  /// The number in the data set of the first sample of a batch.
  int64_t first_sample(int64_t batch) const { return samples_[static_cast<size_t>(batch * batch_size_)]; }
  /// Its name, for messages.
  std::string batch_name(int64_t batch) const;

  /// Small tasks, in any order or side by side.
  struct Tasks {
    int64_t count;
    std::function<void(int64_t task)> body;
  };

  /// Calls `work` for every batch, kSlots at a time in parallel, and after each such block `fold(batches)` on the
  /// calling thread: slots 0 .. batches - 1 are in order. What fold leaves to do is in `beside`: those tasks are done
  /// with the batches of the next block, by threads that find none any more (so that none waits for another one's
  /// batch), or after the last one. Errors: those of the data set and of `work` (the first in order); interrupted.
  Status run(std::string_view what, const std::function<Status(const Batch&)>& work,
             const std::function<void(int batches)>& fold = {}, const Tasks& beside = {}) const;

 private:
  Result<std::vector<ir::Tensor>> load(int64_t batch) const;

  const data::Dataset& dataset_;
  const ir::Graph& graph_;
  ThreadPool& pool_;
  ProgressSink& progress_;
  std::vector<int64_t> samples_;
  int64_t batch_size_ = 1;
};

/// One graph ready to run on every thread.
class Runner {
 public:
  /// Errors: unsupported.
  static Result<Runner> create(const ir::Graph& graph, int num_threads, const runtime::ExecutorOptions& options = {});
  /// Errors: those of the run.
  Result<std::vector<ir::Tensor>> run(const Stream::Batch& batch, const runtime::Observer* observer = nullptr);

 private:
  Runner() = default;
  std::unique_ptr<runtime::Executor> executor_;
  std::vector<std::unique_ptr<runtime::Executor::Session>> sessions_;  // by thread
};

}  // namespace edgesmith::passes::quantize
