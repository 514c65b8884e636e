// SPDX-License-Identifier: Apache-2.0
#include "train/scores.h"

namespace edgesmith::train {

using ir::OpKind;

std::optional<Scores> scores_before(ir::Value& value) {
  ir::Node& node = value.node();
  if (node.is(OpKind::identity)) return scores_before(*node.input(0));
  if (!node.is(OpKind::softmax) || node.attributes().get_int("coerce_2d", 0) != 0) return {};
  const int64_t given = node.attributes().get_int("axis", -1), axis = given < 0 ? given + value.type().rank() : given;
  if (axis < 1) return {};
  return Scores{node.input(0), static_cast<int>(axis)};
}

bool holds_probabilities(ir::Value& value) {
  ir::Node& node = value.node();
  switch (node.op()) {
    case OpKind::softmax:
    case OpKind::hardmax:
    case OpKind::sigmoid:
    case OpKind::hard_sigmoid: return true;
    case OpKind::identity:
    case OpKind::cast:
    case OpKind::reshape:
    case OpKind::flatten:
    case OpKind::squeeze:
    case OpKind::unsqueeze:
    case OpKind::transpose: return holds_probabilities(*node.input(0));
    default: return false;
  }
}

}  // namespace edgesmith::train
