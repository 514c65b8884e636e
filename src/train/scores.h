// SPDX-License-Identifier: Apache-2.0
// What the values of a classifier are: scores, which any number may be, or probabilities made of them.
#pragma once

#include <optional>

#include "edgesmith/ir/graph.h"

namespace edgesmith::train {

/// What a Softmax reads, and the axis of the classes, counted from the front.
struct Scores {
  ir::Value* value;
  int axis;
};

/// Of a value that a Softmax makes over one axis other than the batch's; nullopt otherwise.
std::optional<Scores> scores_before(ir::Value& value);

/// Whether a Softmax, Sigmoid or the like has made the value, whatever only changed its form after that.
bool holds_probabilities(ir::Value& value);

}  // namespace edgesmith::train
