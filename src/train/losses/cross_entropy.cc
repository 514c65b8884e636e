// SPDX-License-Identifier: Apache-2.0
// The negative log-probability of the true class. It needs labels, and no teacher.
#include <vector>

#include "edgesmith/train/loss.h"

namespace edgesmith::train {
namespace {

ops::Term build(const LossOperands& operands) {
  std::vector<double> numbers;
  for (int64_t c = 0; c < operands.classes; ++c) numbers.push_back(static_cast<double>(c));
  ops::GradientBuilder& build = *operands.student.build;
  const ops::Term classes = build.constant({1, operands.classes}, numbers, ir::DType::f32);
  const ops::Term hit = ops::equal(ops::unsqueeze(operands.labels, {1}), classes);
  const ops::Term log_q = log_softmax(operands.student, operands.class_axis);
  return -sum_of_sample(log_q * ops::cast(hit, ir::DType::f32), operands);
}

}  // namespace

extern const LossInfo cross_entropy_loss = {"cross-entropy", "negative log-probability of the label's class", true,
                                            true, build};

}  // namespace edgesmith::train
