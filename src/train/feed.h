// SPDX-License-Identifier: Apache-2.0
// Samples on their way into a training graph: decoded on demand, stacked, with what the teacher says of them.
#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/data/augment.h"
#include "edgesmith/data/dataset.h"
#include "edgesmith/ir/graph.h"
#include "edgesmith/runtime/executor.h"
#include "train/objective.h"
#include "train/training_graph.h"

namespace edgesmith::train {

/// How samples lie in the values of `objective`'s pairs, found by feeding the dims of a sample of `data` to the graphs.
/// Errors: unsupported (samples that a model mixes, a folder of ONNX test data); those of decoding.
Result<BatchForm> find_batch_form(const ir::Graph& student, const Objective& objective, const data::Dataset& data);

/// Whether samples of different dims may come: then they go one at a time.
bool has_free_dims(const ir::Graph& graph);

/// What a graph with losses is fed beside its parameters, for a few samples.
struct Shard {
  std::vector<ir::Tensor> inputs;   ///< of the student
  std::vector<ir::Tensor> targets;  ///< the teacher's values by pair (those that have one), then the labels if needed
  ir::Tensor weights;               ///< [N]: 1 for samples, 0 for what fills the batch up
};

/// How samples of an epoch are changed at random.
struct Draw {
  const data::Augment& augment;
  uint64_t seed = 0;
  int64_t epoch = 0;
  std::span<const int64_t> among;  ///< samples that may be mixed in
};

/// Makes shards. Teacher outputs are kept as long as they take little memory (kMostKeptBytes in all), and computed
/// again beyond that: memory does not grow with the number of samples.
class Feed {
 public:
  static constexpr int64_t kMostKeptBytes = int64_t{64} << 20;

  /// Everything must outlive the feed. Errors: unsupported.
  static Result<std::unique_ptr<Feed>> create(const ir::Graph& student, const ir::Graph& teacher,
                                              const Objective& objective, const BatchForm& form,
                                              const data::Dataset& data, int num_threads);

  /// Decodes `samples`, at most a batch of a student that has a fixed one. `thread` in [0, num_threads) is not used by
  /// another call at the same time. Errors: those of decoding and running, invalid (samples of different dims, numbers
  /// that are not finite), usage (labels that are not there).
  /// `draw`: samples are augmented, and the teacher sees them so; null: they are as they are.
  /// Fewer samples than `fill` are filled up, by some that do not count: sessions plan for one batch, once.
  Result<Shard> load(std::span<const int64_t> samples, int64_t fill, int thread, const Draw* draw = nullptr);

 private:
  Feed(const ir::Graph& student, const Objective& objective, const BatchForm& form, const data::Dataset& data)
      : student_(student), objective_(objective), form_(form), data_(data) {}
  Status teach(std::span<const int64_t> indices, std::span<const data::Sample> samples, int thread, bool as_they_are,
               int64_t fed, Shard& shard);
  Status ask_teacher(std::span<const int64_t> indices, std::span<const data::Sample> samples, int thread, bool keep,
                     std::vector<std::vector<ir::Tensor>>& rows);

  const ir::Graph& student_;
  const Objective& objective_;
  const BatchForm& form_;
  const data::Dataset& data_;
  ir::Graph teacher_;  ///< with the pairs' values as its results
  size_t first_value_ = 0, num_values_ = 0;
  int64_t teacher_batch_ = 0;  ///< fixed; 0: any
  std::unique_ptr<runtime::Executor> executor_;
  std::vector<std::unique_ptr<runtime::Executor::Session>> sessions_;  ///< by thread
  std::vector<std::vector<ir::Tensor>> kept_;                          ///< by sample: a row for each value
  std::atomic<int64_t> kept_bytes_{0};
};

}  // namespace edgesmith::train
