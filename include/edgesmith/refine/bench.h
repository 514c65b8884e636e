// SPDX-License-Identifier: Apache-2.0
// Timing models on this machine: many runs after a warm-up, several models run by run in turns.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "edgesmith/base/progress.h"
#include "edgesmith/base/result.h"
#include "edgesmith/ir/graph.h"
#include "edgesmith/runtime/executor.h"

namespace edgesmith::refine {

/// What many times come to, in microseconds.
struct Latency {
  double min = 0, median = 0, p90 = 0, mean = 0;
};
/// `nanoseconds` holds at least one time; the 90th percentile is the nearest rank.
Latency summarize(std::span<const int64_t> nanoseconds);

/// The median of B over the median of A, with its uncertainty.
struct TimeRatio {
  double ratio = 1;
  double ci95[2] = {1, 1};
};
/// `a[i]` and `b[i]` ran one after the other. The interval is a seeded bootstrap over blocks of neighbouring rounds,
/// because times that lie close together share their disturbances.
TimeRatio ratio_of_medians(std::span<const int64_t> a, std::span<const int64_t> b, uint64_t seed);

/// Runs that give a steady median in a second or so: by the arithmetic of one run of `batch` samples, so that they
/// depend on the model alone. 50 to 5000.
int64_t default_runs(const ir::Graph& graph, int64_t batch);

/// A model and what it is fed: inputs[i] are the tensors of run i; run i + inputs.size() feeds them again.
struct BenchModel {
  const ir::Graph* graph = nullptr;
  std::vector<std::vector<ir::Tensor>> inputs;
  runtime::KernelChoices choices = {};  ///< in place of those of BenchOptions::executor, where there are any
};

struct BenchOptions {
  int64_t runs = 100, warmup = 10;  ///< of each of those that run at the same time
  int threads = 1;                  ///< over which each run is cut
  int parallel = 1;                 ///< so many runs at a time
  bool per_node = false;
  runtime::ExecutorOptions executor;
  ProgressSink* progress = nullptr;  ///< may be null
};

/// A node with the kernel that ran it.
struct NodeTime {
  const ir::Node* node = nullptr;
  std::string kernel;
  std::optional<double> median_us;  ///< with per_node; absent for a node that another one's kernel does too
};

struct BenchResult {
  std::vector<int64_t> nanoseconds;  ///< of every run, in order (thread by thread)
  Latency latency;
  std::string output_sha256;  ///< over `inputs` once, as `infer` gives for the same samples
  std::vector<NodeTime> nodes;
};

struct BenchReport {
  std::vector<BenchResult> results;  ///< one a model
  double seconds = 0;                ///< by the clock, from the first timed run to the last (nodes not included)
  int64_t preemptions = 0;           ///< times that other work took a core away meanwhile
  bool pinned = false;               ///< every thread stayed on a core of its own
  bool denormals_flushed = false;    ///< denormals were taken for zero, which changed no output
};

/// Times `models`, run by run in turns. Errors: those of compiling and running; interrupted; internal when a run gives
/// other bits than the first one.
Result<BenchReport> bench(std::span<const BenchModel> models, const BenchOptions& options);

}  // namespace edgesmith::refine
