// SPDX-License-Identifier: Apache-2.0
// Where buffers lie in one block of memory, from when each is alive.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace edgesmith::runtime {

/// Bytes needed from step `first` to step `last`, both included.
struct Buffer {
  int64_t bytes = 0;
  int first = 0, last = 0;
};

struct ArenaPlan {
  std::vector<int64_t> offsets;  ///< one a buffer, multiples of kArenaAlignment
  int64_t bytes = 0;
};

constexpr int64_t kArenaAlignment = 64;

/// Buffers alive together never overlap. The smaller of two greedy plans: buffers by size, and operators by breadth
/// (Pisarchyk & Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020, sections 5.2 and 5.3).
/// `alignment`: of the offsets and of the bytes that each buffer takes.
ArenaPlan plan_arena(std::span<const Buffer> buffers, int64_t alignment = kArenaAlignment);
/// The largest sum of bytes alive at one step: no plan can be smaller.
int64_t live_bytes(std::span<const Buffer> buffers);

}  // namespace edgesmith::runtime
