// SPDX-License-Identifier: Apache-2.0
// Running a graph: compiled once into a plan (kernel per node, arena from liveness), then run many times.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/ir/graph.h"

namespace edgesmith::runtime {

struct ExecutorOptions {
  bool reference = false;     ///< evaluate every node with ops::eval (Eigen, clear before fast)
  bool ignore_quant = false;  ///< run as if no value were annotated (affine constants still mean their reals)
  /// Kernels that reassociate sums may be used (bench and the host as a target; never calibration or accuracy).
  bool reassociate = false;
};

/// What an observer is shown: a value just computed (after its annotation was applied), valid during the call only.
/// `node` is its producer. Called on the running thread.
using Observer = std::function<void(const ir::Value& value, const ir::Tensor& tensor)>;

/// A compiled graph. Immutable and shared by threads; each thread runs with a Session of its own.
class Executor {
 public:
  /// Plans `graph`, which must outlive the executor and not change. Errors: unsupported (an op without a kernel,
  /// named).
  static Result<std::unique_ptr<Executor>> create(const ir::Graph& graph, const ExecutorOptions& options = {});
  ~Executor();

  const ir::Graph& graph() const;

  /// Per-thread state: the arena and the buffers of the last input shapes (re-planned when the shapes change).
  class Session {
   public:
    ~Session();
    /// Feeds one tensor for each graph input, in order, and returns the results in order. With `observer`, every
    /// computed value is shown to it (constants and graph inputs too). The same inputs give the same bits on every
    /// thread, CPU with fused multiply-add, and batch position.
    Result<std::vector<ir::Tensor>> run(std::span<const ir::Tensor> inputs, const Observer* observer = nullptr);

   private:
    friend class Executor;
    struct Impl;
    explicit Session(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
  };
  std::unique_ptr<Session> make_session() const;

  /// Kernel chosen for each node, for reports: "native.conv_f32 (avx512)" or "reference".
  std::vector<std::pair<const ir::Node*, std::string>> kernels() const;

 private:
  struct Impl;
  explicit Executor(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Peak bytes of activations for one sample (free dims 1): the arena of the plan, and the lower bound that no order of
/// buffers can beat for this node order.
struct MemoryPlan {
  int64_t arena_bytes = 0;
  int64_t lower_bound_bytes = 0;
};
Result<MemoryPlan> plan_memory(const ir::Graph& graph);

/// The instruction set in use: "scalar", "avx2", "avx512", ... (EDGESMITH_ISA lowers it). Errors: usage when that
/// variable names an unknown set or one that this CPU lacks.
Result<std::string> isa_name();

}  // namespace edgesmith::runtime
