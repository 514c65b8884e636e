// SPDX-License-Identifier: Apache-2.0
// Small graphs on which the gradients of operators are checked: one sample or more for every operator that has one.
#pragma once

#include <span>
#include <string_view>

#include "edgesmith/ir/op_kind.h"

namespace edgesmith::train {

/// A graph of f64 inputs around a node of operator `op`. Magnitudes of inputs are drawn from [low, high), signs at
/// random unless `positive`: away from where the operator has a kink. Symbols of dims: gradient_samples.cc.
struct GradientSample {
  ir::OpKind op;
  std::string_view inputs;  ///< "%x: f64[N,3], %w: f64[3]"
  std::string_view lines;   ///< nodes; all of `results` are summed with weights to the loss
  std::string_view results = "%y";
  double low = 0.2, high = 1.2;
  bool positive = false;
};

std::span<const GradientSample> gradient_samples();

/// What a free dim is when a sample runs.
int64_t size_of_symbol(std::string_view symbol);

}  // namespace edgesmith::train
