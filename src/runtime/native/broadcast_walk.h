// SPDX-License-Identifier: Apache-2.0
// How element-wise kernels of two operands walk them: over runs along the last axis, after merging neighbouring axes
// that both operands walk alike.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "runtime/kernel_registry.h"

namespace edgesmith::runtime::native {

struct BroadcastWalk : Prepared {
  struct Axis {
    int64_t size;
    bool a_moves, b_moves;  ///< or repeats along this axis
  };
  std::vector<Axis> axes;  ///< outermost first; at least one
  int64_t total = 0;
};

/// The dims of the result, or nothing when the operands do not fit each other.
std::optional<ir::Dims> broadcast_dims(const ir::Dims& a, const ir::Dims& b);
/// For Kernel::output_dims and Kernel::bind (a BroadcastWalk) of operators of two operands.
std::optional<ir::Dims> broadcast_output_dims(const ir::Node& node, OperandDims inputs);
Result<std::shared_ptr<const Prepared>> bind_broadcast(const ir::Node& node, const Prepared* prepared,
                                                       OperandDims inputs, const ir::Dims& output, Isa isa);

/// Calls body(a's offset, its step, b's offset, its step, offset of the result, length) for every run; steps are 0
/// or 1.
template <typename Body>
void for_runs(const BroadcastWalk& walk, const Body& body) {
  const auto& axes = walk.axes;
  const auto inner = axes.back();
  for (int64_t at = 0; at < walk.total; at += inner.size) {
    int64_t a_at = 0, b_at = 0, a_step = inner.a_moves ? inner.size : 1, b_step = inner.b_moves ? inner.size : 1;
    int64_t rest = at / inner.size;
    for (size_t i = axes.size() - 1; i-- > 0; rest /= axes[i].size) {
      const int64_t index = rest % axes[i].size;
      if (axes[i].a_moves) a_at += index * std::exchange(a_step, a_step * axes[i].size);
      if (axes[i].b_moves) b_at += index * std::exchange(b_step, b_step * axes[i].size);
    }
    body(a_at, inner.a_moves ? 1 : 0, b_at, inner.b_moves ? 1 : 0, at, inner.size);
  }
}

}  // namespace edgesmith::runtime::native
