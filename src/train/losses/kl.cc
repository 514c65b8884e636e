// SPDX-License-Identifier: Apache-2.0
// The divergence of the student's softened probabilities from the teacher's (Hinton, Vinyals and Dean, "Distilling the
// Knowledge in a Neural Network", 2015): T^2 sum of p (log p - log q), with p and q the softmax of scores / T. The
// factor T^2 keeps gradients of one size for any temperature. Of maps of classes it is the mean over places.
#include "edgesmith/train/loss.h"

namespace edgesmith::train {
namespace {

ops::Term divergence(const LossOperands& operands) {
  const double t = operands.temperature;
  const ops::Term log_p = log_softmax(operands.teacher / t, operands.class_axis);
  const ops::Term log_q = log_softmax(operands.student / t, operands.class_axis);
  const ops::Term each =
      ops::reduce_sum(ops::exp(log_p) * (log_p - log_q), {operands.class_axis}, /*keep_dims=*/true) * (t * t);
  return mean_of_sample(each, operands);
}

}  // namespace

extern const LossInfo kl_loss = {"kl", "divergence of the class probabilities from the teacher's", false, true,
                                 divergence};

}  // namespace edgesmith::train
