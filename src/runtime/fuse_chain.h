// SPDX-License-Identifier: Apache-2.0
// Element-wise steps in a row, run block by block: what lies between them never leaves the first-level cache.
//
//   %a = add %x, %bias
//   %s = sigmoid %a         =>     for 1024 numbers at a time: all three, then the next ones
//   %y = mul %a, %s
//
// Found when the dims are known, since every value inside a chain must have the dims of its result. The steps stay what
// they are (kernels, epilogues, choices); each number goes through the same functions of the same vectors, so results
// have the bits of steps run one by one. The memory plan gives the values inside no room, but blocks in the scratch of
// the last step.
//
// Processor time of a run, before / after, one core with AVX-512: PP-OCRv4's detector (28 % of it element-wise) 1.16,
// its recognizer 1.17, its classifier 1.06.
//
// Layout: row-major reals, operands broadcast. Scratch: a block for every value that is alive at the same time.
#pragma once

#include <vector>

#include "runtime/native/broadcast_walk.h"
#include "runtime/native/element_op.h"
#include "runtime/program.h"

namespace edgesmith {
class ThreadPool;
}

namespace edgesmith::runtime {

/// Dims by value id; empty where they are known only while running.
using ValueDims = std::vector<std::optional<ir::Dims>>;

struct Chain {
  /// One step: its operands and its result are blocks (from 0 on), or operands of the chain (below: ~index), or the
  /// chain's result (kResult).
  struct Op {
    native::ElementOp op;
    Epilogue epilogue;
    std::array<int, 2> from = {0, 0};
    int to = 0;
  };
  static constexpr int kResult = -1;

  std::vector<int> steps;     ///< rising; the last one makes the result
  std::vector<int> operands;  ///< slots that are read
  std::vector<Op> ops;        ///< by step
  int blocks = 0;
  native::BroadcastWalk walk;  ///< of the operands, over the dims of the result

  /// Bytes of scratch for one thread.
  int64_t scratch_bytes() const;
  /// `operands`: where each lies. Thread t's scratch begins at scratch + t * scratch_step; `pool` may be null.
  void run(Isa isa, std::span<const float* const> operands, float* out, std::byte* scratch, int64_t scratch_step,
           ThreadPool* pool) const;
};

/// The chains of two steps and more in `steps`, which are those of `program` for values of these dims. No step is in
/// two of them.
std::vector<Chain> find_chains(const Program& program, const std::vector<Step>& steps, const ValueDims& dims);

}  // namespace edgesmith::runtime
