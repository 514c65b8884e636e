// SPDX-License-Identifier: Apache-2.0
// What a student is told to make small: one row and one file (src/train/losses/) a loss. A loss is nodes in the
// training graph like any other.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "edgesmith/ops/gradient.h"

namespace edgesmith::train {

/// What a loss compares: a value of the student with one of the teacher's, as float32.
struct LossOperands {
  ops::Term student;  ///< [N, ...]
  ops::Term teacher;  ///< the same dims; without a value when the loss does not need it
  ops::Term labels;   ///< [N, classes]: the share of each class; without a value when the loss does not need them
  int rank = 0;       ///< of student
  int class_axis = 1;
  int64_t classes = -1;    ///< along class_axis; -1: not known
  double temperature = 1;  ///< of softened probabilities
  bool per_sample = true;  ///< axis 0 is the sample; else the value is of one sample, whole
};

/// One loss.
struct LossInfo {
  std::string_view name;     ///< "kl"
  std::string_view summary;  ///< one line, no full stop
  bool needs_labels;
  bool needs_classes;  ///< the value holds a score for every class
  /// Appends the loss of each sample: [N], or one number where the operands are of one sample.
  ops::Term (*build)(const LossOperands& operands);
};

std::span<const LossInfo> all_losses();
/// Null where there is none of that name.
const LossInfo* find_loss(std::string_view name);

// What losses are written with.

/// Mean (or sum) over everything but the sample.
ops::Term mean_of_sample(const ops::Term& term, const LossOperands& operands);
ops::Term sum_of_sample(const ops::Term& term, const LossOperands& operands);
/// Log-probabilities along the classes.
ops::Term log_softmax(const ops::Term& scores, int axis);

}  // namespace edgesmith::train
