// SPDX-License-Identifier: Apache-2.0
// Operators that only move elements, for elements of any size and both layouts.
#pragma once

#include <array>
#include <cstddef>

#include "edgesmith/base/result.h"
#include "runtime/kernel_registry.h"

namespace edgesmith::runtime::native {

struct NativeTable;

/// A few numbers (one an axis, or two), kept without an allocation. Kernels take ranks of at most kMostAxes.
constexpr size_t kMostAxes = 16;
struct AxisNumbers {
  std::array<int64_t, 2 * kMostAxes> numbers = {};
  size_t count = 0;

  int64_t& operator[](size_t i) { return numbers[i]; }
  int64_t operator[](size_t i) const { return numbers[i]; }
  size_t size() const { return count; }
  void add(int64_t number) { numbers[count++] = number; }
};

/// Strides in elements, by axis of the graph's dims.
AxisNumbers strides_of(const ir::Dims& dims, Layout layout);

/// Copies that may be strided: out[sum i_k * out_strides[k]] = in[sum i_k * in_strides[k]] for all i below `dims`.
struct BlockCopy {
  AxisNumbers dims, in_strides, out_strides;
  int64_t from = 0, to = 0;  ///< where the first element is read and written

  void run(const std::byte* in, std::byte* out) const;
  /// Where rows become columns, blocks are turned in the vectors of `table`.
  void run(const float* in, float* out, const NativeTable& table) const;
};

/// The axis that a number names, counted from the end where it is negative.
size_t axis_index(int64_t axis, size_t rank);
/// "f32[2,3] does not give f32[4,4]".
Error does_not_fit(const KernelCall& call);

/// What a pad adds before and behind every axis; negative where it cuts. Errors: invalid, when the operands do not give
/// the result's dims.
struct AxisPads {
  AxisNumbers begin, end;
};
Result<AxisPads> pads_by_axis(const KernelCall& call);

/// What a pad keeps of its operand and where that goes (the rest is filled), and what a slice or a transpose reads. No
/// dims: nothing. Errors: invalid, when the operands do not give the result's dims.
Result<BlockCopy> pad_copy(const KernelCall& call, Layout layout);
Result<BlockCopy> slice_copy(const KernelCall& call, Layout layout);
Result<BlockCopy> transpose_copy(const KernelCall& call, Layout layout);

}  // namespace edgesmith::runtime::native
