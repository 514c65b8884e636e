// SPDX-License-Identifier: Apache-2.0
// What an element-wise kernel computes, apart from the dims that it walks: for runs of numbers that lie side by side.
#pragma once

#include <array>
#include <functional>
#include <optional>

#include "runtime/kernel_registry.h"
#include "runtime/native/table.h"

namespace edgesmith::runtime::native {

struct ElementOp {
  enum class Kind { binary, unary, clamp, leaky_relu, hard_sigmoid, hard_swish };
  Kind kind = Kind::unary;
  Binary binary = Binary::add;
  Unary unary = Unary::exp;
  float alpha = 0, beta = 0;  ///< of a clamp: its bounds

  /// Operands that are walked: the first ones of the node.
  int num_operands() const { return kind == Kind::binary ? 2 : 1; }
  /// out[i] = epilogue(op(a[i * steps[0]], b[i * steps[1]])), steps 0 or 1 (1 with one operand): the bits of the
  /// node's kernel. `out` may be an operand whose step is 1.
  void run(const NativeTable& table, const std::array<const float*, 2>& operands, const std::array<int, 2>& steps,
           float* out, int64_t count, const Epilogue& epilogue) const;
};

/// What `kernel`, one of the rows of this provider, computes for `node`; nothing where it is not element by element.
/// `constants(i)`: operand i when it is constant, else null.
std::optional<ElementOp> element_op(const Kernel& kernel, const ir::Node& node,
                                    const std::function<const ir::Tensor*(int)>& constants);

}  // namespace edgesmith::runtime::native
