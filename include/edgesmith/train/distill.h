// SPDX-License-Identifier: Apache-2.0
// Training a student against a teacher, or a compressed model against the original (docs/distill.md).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "edgesmith/base/progress.h"
#include "edgesmith/base/result.h"
#include "edgesmith/base/thread_pool.h"
#include "edgesmith/data/augment.h"
#include "edgesmith/data/dataset.h"
#include "edgesmith/ir/graph.h"
#include "edgesmith/train/curve.h"

namespace edgesmith::train {

struct DistillOptions {
  // What is compared (objective.h).
  std::vector<std::string> losses;    ///< "kl", "cross-entropy=0.5"; empty: mse
  std::vector<std::string> match;     ///< "student=teacher", of outputs
  std::vector<std::string> features;  ///< "student=teacher", of values inside
  double feature_weight = 1;
  double temperature = 1;
  bool mirror_teacher = false;  ///< teachers answer with their mean over a picture and its mirror image
  double entropy = 0;           ///< what a bit of each code of the weights costs beside them; 0: nothing
  double code_bits = 0;         ///< mean bits of a code that cost nothing
  // How weights move.
  std::string optimizer;  ///< "": soap for zeros and codebooks unless `rate` is given, else adam
  std::string schedule = "cosine";
  std::optional<double> rate;  ///< absent: the optimizer's
  double weight_decay = 0;
  double clip = 0;                  ///< largest norm of a step's gradient; 0: any
  double ema = 0;                   ///< share that a running mean of the weights keeps; 0: the weights themselves
  std::optional<double> warmup;     ///< share of the steps; absent: default_warmup()
  bool keep_steps = false;          ///< steps of grids stay as they are
  bool learn_indices = false;       ///< weights with float codebooks may take other entries of theirs
  std::vector<std::string> freeze;  ///< globs: names of weights that stay
  // How long, and on what.
  int64_t epochs = 10;
  int64_t steps = 0;             ///< in all; 0: by epochs
  int64_t batch = 0;             ///< 0: kBatch, or fewer where there are fewer samples
  data::Augment augment;         ///< of the samples trained on
  bool augment_holdout = false;  ///< and of those that judge, once for all judgements
  double holdout = 0.1;          ///< share of the data that judges
  int64_t patience = 0;          ///< judgements without a better one that end the training; 0: none do
  uint64_t seed = 0;
  double time_limit = 0;     ///< seconds; 0: none
  int64_t memory_limit = 0;  ///< bytes of activations in all threads; 0: none
  // Going on another time.
  std::string checkpoint;  ///< file, written at every judgement and on an interrupt; "": none
  std::string resume;      ///< checkpoint to go on from; "": none
};

constexpr int64_t kBatch = 64;

/// Whose answers are learned: one model, or the mean of several.
using Teachers = std::vector<const ir::Graph*>;

struct DistillContext {
  ThreadPool* pool = nullptr;
  ProgressSink* progress = nullptr;
  std::function<Status(ir::Graph&)> simplify;  ///< run on the training graph; may be empty
};

struct DistillReport {
  bool changed = false;                    ///< the student has other weights than it came with
  bool interrupted = false;                ///< by SIGINT: the best weights so far are in the student
  bool nothing_to_learn = false;           ///< on the held-out samples the student gives what the teacher gives
  int64_t steps = 0;                       ///< done, those of the checkpoint included
  double loss_before = 0, loss_after = 0;  ///< on the held-out samples: of what came, of what is kept
  int64_t activation_bytes = 0;            ///< of a shard in training; 0: the plan cannot tell
  int64_t shard = 0;                       ///< samples of one
  double samples_per_second = 0;           ///< in training
  std::vector<std::string> notes;
  std::vector<std::string> warnings;
  std::vector<Curve> curves;
};

/// Trains the weights of `student` against the mean of `teachers` (one at least) on `data` and leaves there the ones
/// that did best on held-out samples, those that it came with included. Graphs have types. The same inputs, options and
/// seed give the same weights for any number of threads, and after a resume. Errors: usage (options, outputs that do
/// not fit), unsupported (no gradient), invalid (a checkpoint of another training, samples), io.
Result<DistillReport> distill(ir::Graph& student, const Teachers& teachers, const data::Dataset& data,
                              const DistillOptions& options, const DistillContext& context);
inline Result<DistillReport> distill(ir::Graph& student, const ir::Graph& teacher, const data::Dataset& data,
                                     const DistillOptions& options, const DistillContext& context) {
  return distill(student, Teachers{&teacher}, data, options, context);
}

}  // namespace edgesmith::train
