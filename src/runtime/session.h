// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdlib>
#include <memory>
#include <vector>

#include "edgesmith/runtime/executor.h"
#include "runtime/bodies.h"
#include "runtime/half_nodes.h"
#include "runtime/program.h"
#include "runtime/shape_plan.h"

namespace edgesmith::runtime {

/// Memory aligned for vectors, not initialised. Null when there is not enough.
struct FreeBytes {
  void operator()(std::byte* bytes) const { std::free(bytes); }
};
using AlignedBytes = std::unique_ptr<std::byte[], FreeBytes>;
AlignedBytes allocate_aligned(int64_t bytes);
/// A tensor that owns such memory, with kArenaAlignment bytes after its elements that may be read. Errors: io.
Result<ir::Tensor> make_padded(ir::DType dtype, const ir::Dims& dims);

/// What Executor::Session is made of.
class SessionState {
 public:
  /// `pool`: threads over which large steps are cut, or null; it must outlive the session and serve it alone.
  explicit SessionState(const Program& program, ThreadPool* pool = nullptr)
      : program_(program), pool_(pool), inputs_(program.graph->inputs()), bodies_(program, pool), halves_(pool) {}

  Result<std::vector<ir::Tensor>> run(std::span<const ir::Tensor> inputs, const Observer* observer,
                                      const StepTimer* timer = nullptr);
  /// As Executor::Session::run_into.
  Status run_into(std::span<const ir::Tensor> inputs, std::vector<ir::Tensor>& outputs, const Observer* observer,
                  const StepTimer* timer = nullptr);
  /// As Executor::Session::arena_bytes.
  int64_t arena_bytes() const { return arena_bytes_ + bodies_.arena_bytes() + halves_.arena_bytes(); }

 private:
  /// What a step needs, as far as it is known from dims.
  struct BoundStep {
    std::vector<const ir::Tensor*> operands;        // into Binding::values
    bool done = false;                              // it depends on dims alone, and its results are there
    bool ready = false;                             // a kernel runs it, and all that follows is there
    bool deferred = false;                          // a later step runs it, in a chain
    const Chain* chain = nullptr;                   // that this step runs, itself the last one
    std::vector<const ir::Tensor*> chain_operands;  // into Binding::values
    std::vector<OutputSlot> outputs;
    std::shared_ptr<const Prepared> bound;  // Kernel::bind
    std::byte* scratch = nullptr;
    int64_t scratch_step = 0;
  };

  /// The plan for one list of steps and one set of input dims, with a tensor for every value.
  struct Binding {
    const std::vector<Step>* steps = nullptr;
    std::vector<ir::Dims> input_dims;
    bool valid = false;
    ShapePlan plan;
    std::vector<ir::Tensor> values;  // by slot; views of the arena or of what is fed, constants, or results
    std::vector<bool> keep;          // by slot: values that stay from run to run
    std::vector<BoundStep> bound;    // by step
  };

  static size_t index_of(const ir::Value& value) { return static_cast<size_t>(value.id()); }
  static std::byte* writable(const ir::Tensor& view) { return const_cast<std::byte*>(view.bytes().data()); }

  Status check_inputs(std::span<const ir::Tensor> inputs) const;
  // session_bind.cc
  Status bind(Binding& binding, std::span<const ir::Tensor> inputs);
  Status grow_arena(int64_t bytes);
  void run_shape_code(Binding& binding);
  void bind_kernel(Binding& binding, size_t index);
  void bind_chain(Binding& binding, const Chain& chain);
  // session.cc
  Status set_inputs(Binding& binding, std::span<const ir::Tensor> inputs);
  Status run_step(Binding& binding, size_t index);
  void run_chain(const BoundStep& bound);
  Status time_step(Binding& binding, size_t index, const StepTimer& timer);
  Status run_kernel(Binding& binding, size_t index, std::span<const ir::Dims> output_dims);
  Status call_kernel(const Binding& binding, size_t index, const BoundStep& bound);
  Status run_reference(Binding& binding, size_t index);
  Result<std::vector<ir::Tensor>> run_bodies(const Binding& binding, size_t index);
  Status run_conversion(Binding& binding, size_t index);
  Result<ir::Dims> evaluated_dims(const Binding& binding, size_t index) const;
  Result<std::optional<std::vector<ir::Dims>>> output_dims(const Binding& binding, size_t index) const;
  Status annotate(Binding& binding, const ir::Value& value);
  ir::Tensor own(ir::Tensor tensor) const;
  void give(const ir::Tensor& result, ir::Tensor& output) const;
  void show_known(const Binding& binding, const Observer& observer) const;
  void show_results(const Binding& binding, size_t index, const Observer& observer) const;

  const Program& program_;
  ThreadPool* const pool_;
  const std::vector<ir::Value*> inputs_;
  BodySessions bodies_;
  HalfSessions halves_;
  Binding fused_, plain_;
  AlignedBytes arena_;
  int64_t arena_bytes_ = 0;
};

}  // namespace edgesmith::runtime
