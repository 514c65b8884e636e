// SPDX-License-Identifier: Apache-2.0
// The state of a training as a file (.npz), to go on from another time.
#pragma once

#include <string>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/ir/graph.h"
#include "edgesmith/train/curve.h"

namespace edgesmith::train {

struct Checkpoint {
  std::string identity;        ///< of the training: training_identity()
  int64_t step = 0;            ///< steps done
  int64_t interval_steps = 0;  ///< of them, those since the last judgement
  double interval_loss = 0;    ///< sum of their losses
  int64_t worse = 0;           ///< judgements since the best one
  double first_loss = 0, best_loss = 0;
  std::vector<ir::Tensor> state;  ///< Weights::state()
  std::vector<ir::Tensor> best;   ///< by parameter; empty: the weights that the student came with are the best
  std::vector<Curve> curves;
};

/// Errors: io.
Status write_checkpoint(const std::string& path, const Checkpoint& checkpoint);
/// Whether a file begins as a checkpoint does, which tells it from every other one. False where it cannot be read.
bool is_checkpoint(const std::string& path);
/// The error of reading something else.
Error no_checkpoint_error(const std::string& path);
/// Errors: io; invalid (no checkpoint of ours, or a damaged one).
Result<Checkpoint> read_checkpoint(const std::string& path);

/// A hash of the nodes and numbers of `graphs` and of `text`.
std::string training_identity(const std::vector<const ir::Graph*>& graphs, const std::string& text);

}  // namespace edgesmith::train
