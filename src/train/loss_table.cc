// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "edgesmith/train/loss.h"

namespace edgesmith::train {

#define LOSS(name) extern const LossInfo name##_loss;
#include "train/loss_list.def"
#undef LOSS

std::span<const LossInfo> all_losses() {
  static const std::array kLosses = {
#define LOSS(name) name##_loss,
#include "train/loss_list.def"
#undef LOSS
  };
  return kLosses;
}

const LossInfo* find_loss(std::string_view name) {
  for (const LossInfo& loss : all_losses()) {
    if (loss.name == name) return &loss;
  }
  return nullptr;
}

namespace {

ir::Ints axes_of_sample(const LossOperands& operands) {
  ir::Ints axes;
  for (int axis = operands.per_sample ? 1 : 0; axis < operands.rank; ++axis) axes.push_back(axis);
  return axes;
}

ops::Term reduce(ir::OpKind op, const ops::Term& term, const LossOperands& operands) {
  const ir::Ints axes = axes_of_sample(operands);
  if (axes.empty()) return term;
  ops::GradientBuilder& build = *term.build;
  ir::Value& reduced = build.append(op, {term.value, &build.ints(axes)}, {{"keepdims", int64_t{0}}});
  return build.term(reduced, term.dtype);
}

}  // namespace

ops::Term mean_of_sample(const ops::Term& term, const LossOperands& operands) {
  return reduce(ir::OpKind::reduce_mean, term, operands);
}

ops::Term sum_of_sample(const ops::Term& term, const LossOperands& operands) {
  return reduce(ir::OpKind::reduce_sum, term, operands);
}

ops::Term log_softmax(const ops::Term& scores, int axis) {
  ops::GradientBuilder& build = *scores.build;
  return build.term(build.append(ir::OpKind::log_softmax, {scores.value}, {{"axis", int64_t{axis}}}), scores.dtype);
}

}  // namespace edgesmith::train
