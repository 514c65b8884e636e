// SPDX-License-Identifier: Apache-2.0
// Running a graph: compiled once into a plan (kernel per node, arena from liveness), then run many times.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/ir/graph.h"

namespace edgesmith {
class ThreadPool;
}

namespace edgesmith::runtime {

/// How quantized operators compute. Everything that is not quantized computes on float32 under each of them.
enum class Arithmetic {
  floating,             ///< no value is quantized (affine constants still mean their reals)
  fake_quant,           ///< float32 kernels; every annotated value is rounded to its codes and back
  exact_i32,            ///< integer sums of 32 bits; codes of the result by a float32 multiplier
  x86_u8s8_saturating,  ///< the same, but products are added in pairs that saturate at 16 bits (x86 without VNNI)
  tflite,               ///< integer sums, fixed-point multipliers as in TensorFlow Lite and CMSIS-NN
};

/// "float", "fake-quant", "exact-i32", "x86-u8s8-saturating", "tflite".
std::string_view arithmetic_word(Arithmetic arithmetic);
/// The arithmetic of that name; "ort-x86" is what ONNX Runtime computes on this CPU: exact-i32 with VNNI,
/// x86-u8s8-saturating without. Errors: usage, with a suggestion.
Result<Arithmetic> find_arithmetic(std::string_view word);
/// The words that find_arithmetic knows.
std::vector<std::string> arithmetic_words();

/// Which kernel runs a node: by node id, a name that Executor::steps() lists among the options of its step.
using KernelChoices = std::map<int, std::string>;

struct ExecutorOptions {
  bool reference = false;  ///< evaluate every node plainly (ops::eval, runtime/integer; clear before fast)
  Arithmetic arithmetic = Arithmetic::fake_quant;
  int64_t memory_limit = 0;  ///< most bytes of activations in one session; 0: no limit
  /// Kernels that reassociate sums may be used (training, bench and the host as a target; never calibration or
  /// accuracy).
  bool reassociate = false;
  /// Kernels other than the first one that takes the node. Not with `reference`.
  KernelChoices choices = {};
  /// By value id, the values that observers want to see. Then observed runs fuse and compute on codes like others, but
  /// make these values (as reals), and show only them. Empty: observed runs make every value, and compute on reals; the
  /// plan for that is made along with the other.
  std::vector<bool> observed = {};
};

/// One way to run a step.
struct KernelOption {
  std::string name;     ///< "native.conv_f32", or "reference" for ops::eval
  bool codes = false;   ///< computes on 8-bit codes, else on reals
  std::string layout;   ///< of operands and result: "row-major", "channels-last", or "any"
  std::string why_not;  ///< why it may not run the step; "" when it may
  bool legal() const { return why_not.empty(); }
};

/// One step of the plan: a node with what is fused into it, or a conversion between reals and codes.
struct StepInfo {
  const ir::Node* node = nullptr;  ///< its first node; of a conversion: the producer of the value
  const ir::Node* last = nullptr;  ///< whose outputs it makes: the Add or activation fused into the node, or the node
  const ir::Node* pad = nullptr;   ///< the Pad that it does too, or null
  const ir::Node* add = nullptr;   ///< the residual Add that it does too, or null
  std::string kernel;              ///< the option that runs it; "view", "quantize", ... where there is no choice
  std::string text;                ///< what Executor::kernels() and step timers say of it
  /// Rows of the registry for its operator, in the registry's order; the first legal one runs unless another one is
  /// chosen. Empty where there is no choice.
  std::vector<KernelOption> options;
};

/// What an observer is shown: a value just computed (after its annotation was applied), valid during the call only.
/// `node` is its producer. Called on the running thread.
using Observer = std::function<void(const ir::Value& value, const ir::Tensor& tensor)>;

/// Takes the time that each step of a run took. `node` is the first node of the step: what is fused into it has no time
/// of its own; `kernel` is what Executor::kernels says of it. Called on the running thread, between the steps.
using StepTimer = std::function<void(const ir::Node& node, const std::string& kernel, int64_t nanoseconds)>;

/// A compiled graph. Immutable and shared by threads; each thread runs with a Session of its own.
class Executor {
 public:
  /// Plans `graph`, which must outlive the executor and not change. Errors: unsupported (an op without a kernel,
  /// named); usage (a choice of an unknown kernel, of one that may not run the node, or for a node without a step).
  static Result<std::unique_ptr<Executor>> create(const ir::Graph& graph, const ExecutorOptions& options = {});
  ~Executor();

  const ir::Graph& graph() const;

  /// Per-thread state: the arena and the buffers of the last input shapes (re-planned when the shapes change).
  class Session {
   public:
    ~Session();
    /// Feeds one tensor for each graph input, in order, and returns the results in order. With `observer`, every
    /// computed value is shown to it (constants and graph inputs too), or those of ExecutorOptions::observed. The same
    /// inputs give the same bits on every thread, CPU with fused multiply-add, and batch position. Errors: invalid
    /// (inputs that do not fit), unsupported, io (activations beyond the memory limit, with both numbers).
    Result<std::vector<ir::Tensor>> run(std::span<const ir::Tensor> inputs, const Observer* observer = nullptr,
                                        const StepTimer* timer = nullptr);
    /// The same into `outputs`, which is empty or what a call before left there: tensors that nobody else holds are
    /// written again. When dims are those of the call before, what kernels run allocates nothing (docs/kernels.md).
    Status run_into(std::span<const ir::Tensor> inputs, std::vector<ir::Tensor>& outputs,
                    const Observer* observer = nullptr, const StepTimer* timer = nullptr);
    /// Bytes of activations and scratch that the session holds: 0 before the first run.
    int64_t arena_bytes() const;

   private:
    friend class Executor;
    struct Impl;
    explicit Session(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
  };
  /// With `pool`, which must outlive the session and serve it alone, large nodes are cut over its threads: the latency
  /// of one sample falls, its bits stay. To run many samples, give every thread a session of its own instead.
  std::unique_ptr<Session> make_session(ThreadPool* pool = nullptr) const;

  /// Kernel chosen for each node, for reports: "native.conv_f32 (avx512)" or "reference".
  std::vector<std::pair<const ir::Node*, std::string>> kernels() const;
  /// The steps in the order in which they run, with every kernel that could run them.
  std::vector<StepInfo> steps() const;

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
