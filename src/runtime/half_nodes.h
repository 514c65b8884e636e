// SPDX-License-Identifier: Apache-2.0
// Nodes on half floats (f16, bf16) by the kernels for float32: operands are widened, results rounded, which is what the
// reference evaluation of such operators does too. Constants are widened once.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <vector>

#include "runtime/program.h"

namespace edgesmith {
class ThreadPool;
}

namespace edgesmith::runtime {

class SessionState;

/// The same node on float32, in a graph of its own; `program` shows `graph`.
struct HalfNode {
  ir::Graph graph;
  Program program;
  std::vector<size_t> fed;         ///< operands of the node that are inputs of the graph, in their order
  std::vector<ir::DType> results;  ///< dtypes of the node's outputs
};

/// Null where no operand is a half float, or no kernel takes the node on float32. Constants of the program must be
/// known.
std::shared_ptr<const HalfNode> make_half_node(const Program& program, const ir::Node& node);

/// Runs such nodes in one session.
class HalfSessions {
 public:
  explicit HalfSessions(ThreadPool* pool);
  ~HalfSessions();
  HalfSessions(HalfSessions&&) = delete;

  Result<std::vector<ir::Tensor>> run(const HalfNode& node, std::span<const ir::Tensor* const> operands);
  /// Bytes of the sessions' arenas.
  int64_t arena_bytes() const;

 private:
  ThreadPool* const pool_;
  std::map<const HalfNode*, std::unique_ptr<SessionState>> sessions_;
};

}  // namespace edgesmith::runtime
