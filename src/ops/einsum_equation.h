// SPDX-License-Identifier: Apache-2.0
// The equation of an einsum: which labels the dims of its operands and of its result bear.
#pragma once

#include <vector>

#include "edgesmith/ops/op_info.h"

namespace edgesmith::ops {

/// Labels: letters as themselves; the dims of "...", which are counted from the last one, below zero.
struct EinsumEquation {
  std::vector<std::vector<int>> operands;
  std::vector<int> result;
  bool explicit_result = false;
};

/// The attribute `equation` of a node with operands of these ranks. Errors: invalid, with the equation or its term.
Result<EinsumEquation> read_einsum_equation(const ir::Node& node, const std::vector<int>& ranks);

}  // namespace edgesmith::ops
