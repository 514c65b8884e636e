// SPDX-License-Identifier: Apache-2.0
// The mean squared difference from the teacher's numbers.
#include "edgesmith/train/loss.h"

namespace edgesmith::train {
namespace {

ops::Term squared_difference(const LossOperands& operands) {
  const ops::Term off = operands.student - operands.teacher;
  return mean_of_sample(off * off, operands);
}

}  // namespace

extern const LossInfo mse_loss = {"mse", "mean squared difference from the teacher's results", false, false,
                                  squared_difference};

}  // namespace edgesmith::train
