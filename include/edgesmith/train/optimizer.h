// SPDX-License-Identifier: Apache-2.0
// How gradients become steps: one row and one file (src/train/optimizers/) an optimizer.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace edgesmith::train {

/// What a step is told beside the numbers.
struct OptimizerStep {
  int64_t number = 1;       ///< of the step, from 1
  double rate = 0;          ///< learning rate, of this parameter and at this step
  double weight_decay = 0;  ///< 0 for parameters that do not decay (biases, scales)
};

/// One optimizer. Element by element, so that any cut of a parameter gives the same bits.
struct OptimizerInfo {
  std::string_view name;     ///< "adam"
  std::string_view summary;  ///< one line, no full stop
  int num_states;            ///< arrays as long as the parameter that live from step to step, zero at first
  double rate;               ///< learning rate where none is given
  bool relative;             ///< the rate is a share of the size of the numbers that a step moves
  /// Moves `value` (any length) by one step; `states` are `num_states` arrays of that length.
  void (*update)(const OptimizerStep& step, std::span<float> value, std::span<const float> gradient,
                 std::span<const std::span<float>> states);
  /// Weights of two dims or more move along the eigenvectors of their gradients; the first state is a running mean.
  bool rotated = false;
};

std::span<const OptimizerInfo> all_optimizers();
/// Null where there is none of that name.
const OptimizerInfo* find_optimizer(std::string_view name);

}  // namespace edgesmith::train
