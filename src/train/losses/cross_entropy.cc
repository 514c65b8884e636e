// SPDX-License-Identifier: Apache-2.0
// The negative log-probability of the true class; of mixed samples the mean by the shares of their classes. It needs
// labels, and no teacher.
#include "edgesmith/train/loss.h"

namespace edgesmith::train {
namespace {

ops::Term build(const LossOperands& operands) {
  return -sum_of_sample(log_softmax(operands.student, operands.class_axis) * operands.labels, operands);
}

}  // namespace

extern const LossInfo cross_entropy_loss = {"cross-entropy", "negative log-probability of the label's class", true,
                                            true, build};

}  // namespace edgesmith::train
