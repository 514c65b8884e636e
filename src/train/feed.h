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

/// A model whose answers are learned. Several have the same pairs and losses, each by its own ids.
struct TeacherOf {
  const ir::Graph& graph;
  const Objective& objective;
};

/// Makes shards. Of several teachers, and of the mirror images if `mirror` is set, the mean is learned. Teacher outputs
/// are kept as long as they take little memory (kMostKeptBytes in all), and computed again beyond that: memory does not
/// grow with the number of samples.
class Feed {
 public:
  static constexpr int64_t kMostKeptBytes = int64_t{64} << 20;

  /// Everything must outlive the feed. Errors: unsupported; usage (`mirror` with other than pictures, or with values
  /// that would have to be mirrored as well).
  static Result<std::unique_ptr<Feed>> create(const ir::Graph& student, std::span<const TeacherOf> teachers,
                                              const BatchForm& form, const data::Dataset& data, int num_threads,
                                              bool mirror = false);

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
  Status ask_teachers(std::span<const int64_t> indices, std::span<const data::Sample> samples, int thread, bool keep,
                      std::vector<std::vector<ir::Tensor>>& rows);

  /// A model, with the pairs' values as its last results. It stays where it is: the executor refers to the graph.
  struct Teacher {
    ir::Graph graph;
    size_t first_value = 0;
    int64_t batch = 0;  ///< fixed; 0: any
    std::unique_ptr<runtime::Executor> executor;
    std::vector<std::unique_ptr<runtime::Executor::Session>> sessions;  ///< by thread
  };
  Result<std::unique_ptr<Teacher>> make_teacher(const TeacherOf& of, int num_threads);
  Status check_mirror() const;
  /// Rows of one teacher's values; they are added to what `rows` holds, if anything.
  Status add_answers(const Teacher& teacher, std::span<const data::Sample> samples, int thread,
                     std::vector<std::vector<ir::Tensor>>& rows) const;

  const ir::Graph& student_;
  const Objective& objective_;
  const BatchForm& form_;
  const data::Dataset& data_;
  std::vector<std::unique_ptr<Teacher>> teachers_;
  size_t num_values_ = 0;
  bool mirror_ = false;
  std::vector<std::vector<ir::Tensor>> kept_;  ///< by sample: a row for each value
  std::atomic<int64_t> kept_bytes_{0};
};

}  // namespace edgesmith::train
