// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdlib>
#include <memory>
#include <vector>

#include "edgesmith/runtime/executor.h"
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
  explicit SessionState(const Program& program, ThreadPool* pool = nullptr) : program_(program), pool_(pool) {}

  Result<std::vector<ir::Tensor>> run(std::span<const ir::Tensor> inputs, const Observer* observer,
                                      const StepTimer* timer = nullptr);

 private:
  /// The plan for one list of steps and one set of input dims, with a tensor for every value.
  struct Binding {
    const std::vector<Step>* steps = nullptr;
    std::vector<ir::Dims> input_dims;
    bool valid = false;
    ShapePlan plan;
    std::vector<ir::Tensor> values;                        // by slot; views of the arena, constants, or results
    std::vector<std::vector<const ir::Tensor*>> operands;  // by step, into `values`
  };

  Status check_inputs(std::span<const ir::Tensor> inputs) const;
  Status bind(Binding& binding, std::span<const ir::Tensor> inputs);
  Status grow_arena(int64_t bytes);
  Status set_inputs(Binding& binding, std::span<const ir::Tensor> inputs);
  Status run_step(Binding& binding, size_t index);
  Status time_step(Binding& binding, size_t index, const StepTimer& timer);
  Status run_kernel(Binding& binding, size_t index, std::span<const ir::Dims> output_dims);
  Status run_reference(Binding& binding, size_t index);
  Status run_conversion(Binding& binding, size_t index);
  Result<ir::Dims> evaluated_dims(const Binding& binding, size_t index) const;
  Result<std::optional<std::vector<ir::Dims>>> output_dims(const Binding& binding, size_t index) const;
  Status annotate(Binding& binding, const ir::Value& value);
  ir::Tensor own(ir::Tensor tensor) const;
  void show_known(const Binding& binding, const Observer& observer) const;
  void show_results(const Binding& binding, size_t index, const Observer& observer) const;
  std::vector<ir::Tensor> results(Binding& binding) const;

  const Program& program_;
  ThreadPool* const pool_;
  Binding fused_, plain_;
  AlignedBytes arena_;
  int64_t arena_bytes_ = 0;
};

}  // namespace edgesmith::runtime
