// SPDX-License-Identifier: Apache-2.0
// The negative log-probability of the true class; of a mixed sample, that of both by their shares. It needs labels, and
// no teacher.
#include <vector>

#include "edgesmith/train/loss.h"

namespace edgesmith::train {
namespace {

ops::Term build(const LossOperands& operands) {
  std::vector<double> numbers;
  for (int64_t c = 0; c < operands.classes; ++c) numbers.push_back(static_cast<double>(c));
  ops::GradientBuilder& build = *operands.student.build;
  const ops::Term classes = build.constant({1, operands.classes}, numbers, ir::DType::f32);
  const auto at = [&](const ops::Term& labels) {
    return ops::cast(ops::equal(ops::unsqueeze(labels, {1}), classes), ir::DType::f32);
  };
  ops::Term wanted = at(operands.labels);
  if (operands.other_labels.value != nullptr) {
    const ops::Term share = ops::unsqueeze(operands.label_share, {1});
    wanted = wanted * share + at(operands.other_labels) * (1 - share);
  }
  const ops::Term log_q = log_softmax(operands.student, operands.class_axis);
  return -sum_of_sample(log_q * wanted, operands);
}

}  // namespace

extern const LossInfo cross_entropy_loss = {"cross-entropy", "negative log-probability of the label's class", true,
                                            true, build};

}  // namespace edgesmith::train
