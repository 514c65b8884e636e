// SPDX-License-Identifier: Apache-2.0
// Operators that only move elements, for elements of any size and both layouts.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "edgesmith/base/result.h"
#include "runtime/kernel_registry.h"

namespace edgesmith::runtime::native {

/// Strides in elements, by axis of the graph's dims.
ir::Dims strides_of(const ir::Dims& dims, Layout layout);

/// Copies that may be strided: out[sum i_k * out_strides[k]] = in[sum i_k * in_strides[k]] for all i below `dims`.
struct BlockCopy {
  ir::Dims dims, in_strides, out_strides;
  int64_t from = 0, to = 0;  ///< where the first element is read and written

  /// T: the type of an element.
  template <typename T>
  void run(const T* in, T* out) const;
};

/// The axis that a number names, counted from the end where it is negative.
size_t axis_index(int64_t axis, size_t rank);
/// "f32[2,3] does not give f32[4,4]".
Error does_not_fit(const KernelCall& call);

/// What a pad keeps of its operand and where that goes (the rest is filled), and what a slice reads. No dims: nothing.
/// Errors: invalid, when the operands do not give the result's dims.
Result<BlockCopy> pad_copy(const KernelCall& call, Layout layout);
Result<BlockCopy> slice_copy(const KernelCall& call, Layout layout);

}  // namespace edgesmith::runtime::native
