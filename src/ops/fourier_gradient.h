// SPDX-License-Identifier: Apache-2.0
// What the gradients of dft and stft share.
#pragma once

#include "ops/gradient_rules.h"

namespace edgesmith::ops {

/// An operand that holds one integer, of rank 0 or 1, as i64 [1].
inline ir::Value& one_number(GradientBuilder& build, ir::Value& operand) {
  if (const ir::Tensor* known = operand.constant()) return build.ints(known->to_int64s());
  ir::Value& number = build.append(ir::OpKind::reshape, {&operand, &build.ints({1})});
  return *cast(build.term(number, operand.type().dtype), ir::DType::i64).value;
}

/// Of pairs of real and imaginary parts along the axis `last` the real ones: that axis becomes 1.
inline Term real_part(const Term& term, int64_t last) {
  GradientBuilder& build = *term.build;
  ir::Value& one = build.ints({1});
  return {&build, &build.append(ir::OpKind::slice, {term.value, &build.ints({0}), &one, &build.ints({last})}),
          term.dtype};
}

}  // namespace edgesmith::ops
