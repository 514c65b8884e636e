// SPDX-License-Identifier: Apache-2.0
// Where the values of a program lie for given input dims.
#pragma once

#include <optional>
#include <vector>

#include "runtime/arena.h"
#include "runtime/fuse_chain.h"
#include "runtime/program.h"

namespace edgesmith::runtime {

/// What to plan for.
struct PlanOptions {
  bool scratch = true;         ///< room for the kernels' scratch
  bool every_value = false;    ///< also what the executor allocates apart (graph inputs, results of ops::eval)
  bool chains = false;         ///< run element-wise steps in a row block by block (fuse_chain.h)
  bool integer_codes = false;  ///< annotated values take the bits of their codes
  int64_t alignment = kArenaAlignment;
  int threads = 1;  ///< that have scratch of their own
};

/// Bytes from the scratch of one thread to that of the next.
inline int64_t scratch_step(int64_t bytes) { return (bytes + kArenaAlignment - 1) / kArenaAlignment * kArenaAlignment; }

struct ShapePlan {
  ValueDims dims;                            ///< by value id
  std::vector<int64_t> offsets;              ///< by slot; -1: not in the arena
  std::vector<int64_t> scratch_offsets;      ///< by step; -1: none
  std::vector<int64_t> scratch_steps;        ///< by step: bytes from one thread's scratch to the next one's
  std::vector<std::vector<int>> last_reads;  ///< by step: slots that are not read after it
  std::vector<Chain> chains;
  std::vector<int> chain_of;  ///< by step: index of the chain that it is a part of, or -1
  int64_t bytes = 0;
  int64_t lower_bound = 0;  ///< most bytes alive at one step
};

/// Plans `steps` (of `program`) for values with these dims.
ShapePlan plan_shapes(const Program& program, const std::vector<Step>& steps, ValueDims dims,
                      const PlanOptions& options = {});

/// Errors: io, naming the node, for an output too large for any memory (its bytes could not be counted on).
Status check_sizes(const ir::Graph& graph, const ValueDims& dims);

}  // namespace edgesmith::runtime
