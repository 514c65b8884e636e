// SPDX-License-Identifier: Apache-2.0
// The parts of an operator's row that many operators share: quantization facts, costs.
#pragma once

#include <vector>

#include "edgesmith/ops/op_info.h"

namespace edgesmith::ops {

/// Integer arithmetic with its own output scale on one / two operands.
inline QuantFacts compute_one(const ir::Node&) { return {.kind = QuantFacts::Kind::compute, .data_operands = {0}}; }
inline QuantFacts compute_two(const ir::Node&) { return {.kind = QuantFacts::Kind::compute, .data_operands = {0, 1}}; }

/// Moves the codes of operand 0 / of every operand.
inline QuantFacts transparent_one(const ir::Node&) {
  return {.kind = QuantFacts::Kind::transparent, .data_operands = {0}};
}
inline QuantFacts transparent_all(const ir::Node& node) {
  QuantFacts facts;
  facts.kind = QuantFacts::Kind::transparent;
  for (int i = 0; i < node.num_inputs(); ++i) facts.data_operands.push_back(i);
  return facts;
}

/// A monotone clamp of operand 0.
inline QuantFacts clamp_one(const ir::Node&) { return {.kind = QuantFacts::Kind::activation, .data_operands = {0}}; }

/// A function of operand 0 with results in [kMin, kMax].
template <int kMin, int kMax>
QuantFacts fixed_range(const ir::Node&) {
  return {.kind = QuantFacts::Kind::fixed_range, .data_operands = {0}, .fixed_min = kMin, .fixed_max = kMax};
}

/// Moving or renaming data computes nothing.
inline Cost no_cost(const ir::Node&) { return {}; }

/// The same row with another type inference.
constexpr OpInfo with_infer(OpInfo info, Result<std::vector<ir::Type>> (*infer)(const ir::Node&, InferContext&)) {
  info.infer = infer;
  return info;
}

}  // namespace edgesmith::ops
