// SPDX-License-Identifier: Apache-2.0
// The numbers of all trained parameters, their gradients, and what the optimizer and the running mean keep of them.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/base/thread_pool.h"
#include "edgesmith/ir/tensor.h"
#include "edgesmith/train/optimizer.h"
#include "train/rotation.h"
#include "train/training_graph.h"

namespace edgesmith::train {

/// Work is cut into pieces of a fixed length, so that sums do not depend on the number of threads.
class Weights {
 public:
  struct Settings {
    const OptimizerInfo* optimizer = nullptr;
    double weight_decay = 0;
    double ema = 0;  ///< share that the running mean of the weights keeps at each step; 0: there is none
  };

  /// Errors: unsupported (a parameter that is not float32).
  static Result<std::unique_ptr<Weights>> create(const TrainingGraph& training, const Settings& settings,
                                                 ThreadPool& pool);

  /// What the training graph is fed for its parameters: views of the numbers, which steps change in place.
  const std::vector<ir::Tensor>& tensors() const { return views_; }

  /// Adds gradients of shards, in their order; outputs as the training graph gives them. `first`: of this step.
  void add_gradients(std::span<const std::vector<ir::Tensor>> outputs, bool first);
  /// Returns the mean bits of the codes (code_bits.h). Adds the gradient of `weight` times those above `free`.
  double add_code_bits(double weight, double free);
  /// The Euclidean norm of all gradients, times `scale`.
  double gradient_norm(double scale) const;
  /// One step with gradients times `scale`.
  void step(int64_t number, double rate, double scale);

  /// The parameters with the numbers that are judged and kept: the running mean where there is one.
  std::vector<Parameter> parameters() const;

  /// Everything that goes on from step to step, as one array a parameter and kind, for checkpoints.
  std::vector<ir::Tensor> state() const;
  /// Errors: invalid (arrays of other dims).
  Status set_state(std::span<const ir::Tensor> state);

 private:
  struct Slot {
    size_t parameter = 0;  ///< in TrainingGraph::parameters
    std::vector<float> value, gradient, mean;
    std::vector<std::vector<float>> states;
    std::optional<Rotation> rotation;
    std::vector<double> row_rates;  ///< with a rotation: factors on the learning rate, by row
  };
  struct Piece {
    size_t slot, begin, end;
    double rate;  ///< factor on the learning rate
  };
  Weights(const TrainingGraph& training, const Settings& settings, ThreadPool& pool)
      : training_(training), settings_(settings), pool_(pool) {}
  void cut(size_t slot);
  void step_rotated(Slot& slot, const OptimizerStep& step);
  std::vector<std::vector<float>*> arrays();

  const TrainingGraph& training_;
  const Settings settings_;
  ThreadPool& pool_;
  std::vector<Slot> slots_;
  std::vector<Piece> pieces_;
  std::vector<ir::Tensor> views_;
};

}  // namespace edgesmith::train
