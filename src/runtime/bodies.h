// SPDX-License-Identifier: Apache-2.0
// The graphs inside nodes (If, Loop, Scan, functions), compiled like the graph around them.
//
// What goes in has its type only when it is there, so a body is compiled when it first runs, for the element types and
// ranks that it meets. Operands that the graph around it holds as constants are constants inside: weights are packed
// once, also those that a Loop carries from step to step. What a body passes on is not copied.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "edgesmith/ir/graph.h"
#include "ops/subgraphs.h"
#include "runtime/program.h"

namespace edgesmith {
class ThreadPool;
}

namespace edgesmith::runtime {

class SessionState;

/// A graph with the types of its inputs, and what it compiles to; `program` shows `graph`.
struct Body {
  ir::Graph graph;
  Program program;
  std::vector<int> passed;  ///< by result: the operand that it is, or -1; the program gives a number instead
};

/// What the bodies in a program compile to; shared by its sessions, for any number of threads.
class Bodies {
 public:
  /// `constant[i]`: operand i shows memory that stays as it is as long as the program. Null: it is left to the
  /// reference evaluation, which will say what is wrong, if something is.
  const Body* find(const ir::Graph& body, std::span<const ir::Tensor* const> operands,
                   const std::vector<bool>& constant, const Program& around);

 private:
  std::mutex mutex_;
  std::map<std::pair<const ir::Graph*, std::string>, std::unique_ptr<const Body>> made_;
};

/// Runs the bodies of one program's nodes in one session.
class BodySessions {
 public:
  BodySessions(const Program& program, ThreadPool* pool);
  ~BodySessions();
  BodySessions(BodySessions&&) = delete;

  /// As evaluate(). `constant`: the operands that the program holds.
  Result<std::vector<ir::Tensor>> run(const ir::Node& node, std::span<const ir::Tensor* const> operands,
                                      std::span<const ir::Tensor* const> constant);
  /// Bytes of the sessions' arenas.
  int64_t arena_bytes() const;

 private:
  class Runner;

  const Program& program_;
  ThreadPool* const pool_;
  std::map<const Body*, std::unique_ptr<SessionState>> sessions_;
};

}  // namespace edgesmith::runtime
