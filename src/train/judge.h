// SPDX-License-Identifier: Apache-2.0
// How good a student is on the held-out samples.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "edgesmith/base/progress.h"
#include "edgesmith/base/result.h"
#include "edgesmith/base/thread_pool.h"
#include "train/feed.h"

namespace edgesmith::train {

struct Verdict {
  double loss = 0;             ///< mean over the samples
  std::optional<double> hits;  ///< percent whose largest score is the teacher's, or the label's where no teacher is
};

/// What every judgement of one training shares.
struct Judge {
  const Objective& objective;
  const BatchForm& form;
  Feed& feed;
  std::span<const int64_t> samples;
  int64_t shard = 1;  ///< samples that go through the student together
  ThreadPool& pool;
  ProgressSink& progress;
  const Draw* draw = nullptr;  ///< how samples are augmented, the same way each time; null: they are as they are

  /// Runs a model as it would be written: packed constants, quantized values. Errors: those of running; interrupted.
  Result<Verdict> judge(const ir::Graph& student, const std::string& what) const;
  /// "agreement" or "top1": what Verdict::hits counts.
  const char* hits_name() const { return objective.pairs.front().teacher >= 0 ? "agreement" : "top1"; }
};

}  // namespace edgesmith::train
