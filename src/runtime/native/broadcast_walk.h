// SPDX-License-Identifier: Apache-2.0
// How element-wise kernels of several operands walk them: over runs along the last axis, after merging neighbouring
// axes that all operands walk alike.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "runtime/kernel_registry.h"

namespace edgesmith::runtime::native {

struct BroadcastWalk : Prepared {
  struct Axis {
    int64_t size;
    uint32_t moves;  ///< bit i: operand i moves along this axis, or repeats
  };
  std::vector<Axis> axes;  ///< outermost first; at least one
  int64_t total = 0;
};

/// Most operands of a walk.
constexpr size_t kMostWalked = 32;

/// The dims of the result, or nothing when the operands do not fit each other.
std::optional<ir::Dims> broadcast_dims(OperandDims inputs);
/// The walk of operands that stretch to `output`; at most kMostWalked.
BroadcastWalk broadcast_walk(OperandDims inputs, const ir::Dims& output);
/// For Kernel::output_dims and Kernel::bind (a BroadcastWalk) of operators whose operands are all there.
std::optional<ir::Dims> broadcast_output_dims(const ir::Node& node, OperandDims inputs);
Result<std::shared_ptr<const Prepared>> bind_broadcast(const ir::Node& node, const Prepared* prepared,
                                                       OperandDims inputs, const ir::Dims& output, Isa isa);

/// Where the run of the result that begins at `at` begins in every operand. `at` is a multiple of the last axis.
inline void find_run(const BroadcastWalk& walk, int64_t at, std::span<int64_t> from) {
  const auto& axes = walk.axes;
  for (size_t k = 0; k < from.size(); ++k) {
    from[k] = 0;
    int64_t step = (axes.back().moves >> k & 1) != 0 ? axes.back().size : 1, rest = at / axes.back().size;
    for (size_t i = axes.size() - 1; i-- > 0; rest /= axes[i].size) {
      if ((axes[i].moves >> k & 1) != 0) from[k] += rest % axes[i].size * std::exchange(step, step * axes[i].size);
    }
  }
}

/// Calls body(offset of every operand, its step (0 or 1), offset of the result, length) for every run of N operands.
template <size_t N, typename Body>
void for_runs(const BroadcastWalk& walk, const Body& body) {
  const auto inner = walk.axes.back();
  std::array<int64_t, N> from;
  std::array<int, N> steps;
  for (size_t k = 0; k < N; ++k) steps[k] = static_cast<int>(inner.moves >> k & 1);
  for (int64_t at = 0; at < walk.total; at += inner.size) {
    find_run(walk, at, from);
    body(from, steps, at, inner.size);
  }
}

}  // namespace edgesmith::runtime::native
