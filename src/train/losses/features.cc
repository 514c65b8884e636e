// SPDX-License-Identifier: Apache-2.0
// Values inside the student against values inside the teacher, of equal dims (FitNets, Romero et al. 2015, without a
// regressor): the squared difference over the power of the teacher's, so that layers of any scale weigh alike.
#include "edgesmith/train/loss.h"

namespace edgesmith::train {
namespace {

// Against features that are zero everywhere.
constexpr double kLeastPower = 1e-6;

ops::Term feature_difference(const LossOperands& operands) {
  const ops::Term off = operands.student - operands.teacher;
  return mean_of_sample(off * off, operands) /
         (mean_of_sample(operands.teacher * operands.teacher, operands) + kLeastPower);
}

}  // namespace

extern const LossInfo features_loss = {"features", "relative squared difference of the values that --feature names",
                                       false, false, feature_difference};

}  // namespace edgesmith::train
