// SPDX-License-Identifier: Apache-2.0
// A residual Add done by the convolution before it: the sum is made while the result is still in the first-level cache.
//
//   %c = conv %x                    %y = conv %x (add %r, relu)
//   %s = add %c, %r          =>
//   %y = relu %s
//
// %r has the dims of %c and is computed before the convolution runs. The numbers are the same: one rounding for the
// convolution (its codes, where it computes on codes), one for the sum.
#pragma once

#include <optional>

#include "runtime/program.h"

namespace edgesmith::runtime {

/// Whether both have shapes, all of whose dims are numbers or symbols, and the same.
bool known_same_dims(const ir::Type& a, const ir::Type& b);

struct ResidualAdd {
  const ir::Node* add = nullptr;
  const ir::Value* other = nullptr;  ///< its operand that is not the given value
};

/// The Add that alone reads `value`, when both of its operands are computed and known to have the same dims.
std::optional<ResidualAdd> find_residual_add(const Program& program, const ir::Value& value);

}  // namespace edgesmith::runtime
