// SPDX-License-Identifier: Apache-2.0
// Streaming a data set through models: batches spread over threads, handed over in order, memory that does not grow
// with the number of samples.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "edgesmith/base/progress.h"
#include "edgesmith/base/result.h"
#include "edgesmith/base/thread_pool.h"
#include "edgesmith/data/dataset.h"
#include "edgesmith/runtime/executor.h"

namespace edgesmith::data {

/// Samples that went through the models together.
struct Batch {
  int64_t index = 0;         ///< batches are numbered in the order of the data
  int64_t first_sample = 0;  ///< index of samples[0] in the data set
  std::span<const Sample> samples;
  /// results[model][sample][output]: what each model gave for each sample, with a batch axis of 1 where the model has
  /// one.
  std::vector<std::vector<std::vector<ir::Tensor>>> results;

  const std::vector<ir::Tensor>& outputs(size_t sample, size_t model = 0) const { return results[model][sample]; }
};

/// Sees every value of the first model while batch `batch` runs, on thread `thread` (in [0, pool.num_threads())); a
/// batch may run in several parts, one after the other. Different batches run at the same time: keep what is seen by
/// batch, and combine it in the consumer. A model with a fixed batch also sees the samples that pad the last one.
using ValueObserver = std::function<void(int64_t batch, int thread, const ir::Value& value, const ir::Tensor& tensor)>;

/// Takes batches in the order of their index, never two at a time, on any thread. An error ends the run.
using BatchConsumer = std::function<Status(const Batch& batch)>;

struct RunOptions {
  ValueObserver observer;         ///< empty: none, and the models run with fused kernels
  std::string what = "evaluate";  ///< for the progress sink
};

/// The batch of `graph` when it is a number; 0 when it is free, 1 when no input has a batch axis.
int64_t declared_batch(const ir::Graph& graph);

/// Samples that go through `graph` at a time: its batch when that is fixed, else a number that depends on the graph
/// alone (activations that stay in the cache), 1 where samples cannot share a batch.
int64_t samples_at_once(const ir::Graph& graph);

/// Runs every sample through every model (which have the same inputs). Results do not depend on the number of threads.
/// Errors: those of decoding and running; invalid for a sample with NaN or infinite numbers, by name; interrupted.
/// Where several batches fail, the first one's error is returned.
Status for_each_batch(std::span<const runtime::Executor* const> models, const Dataset& data, ThreadPool& pool,
                      ProgressSink* progress, const BatchConsumer& consumer, const RunOptions& options = {});
Status for_each_batch(const runtime::Executor& model, const Dataset& data, ThreadPool& pool, ProgressSink* progress,
                      const BatchConsumer& consumer, const RunOptions& options = {});

}  // namespace edgesmith::data
