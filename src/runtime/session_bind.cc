// SPDX-License-Identifier: Apache-2.0
// What a session prepares for dims that it has not met: places of values, bound kernels, shape code.
#include <algorithm>

#include "edgesmith/base/check.h"
#include "edgesmith/base/thread_pool.h"
#include "edgesmith/ops/op_info.h"
#include "runtime/session.h"

namespace edgesmith::runtime {

Status SessionState::bind(Binding& binding, std::span<const ir::Tensor> inputs) {
  binding.valid = false;
  binding.input_dims.clear();
  for (const ir::Tensor& input : inputs) binding.input_dims.push_back(input.dims());
  auto dims = ops::infer_dims(*program_.graph, binding.input_dims);
  if (!dims) return dims.error();
  EDGESMITH_TRY(check_sizes(*program_.graph, *dims));
  for (size_t v = 0; v < dims->size(); ++v) {
    if (program_.constants[v].valid()) (*dims)[v] = program_.constants[v].dims();
  }
  binding.plan = plan_shapes(program_, *binding.steps, std::move(*dims),
                             {.chains = binding.steps == &program_.steps && !program_.options.reference,
                              .threads = pool_ == nullptr ? 1 : pool_->num_threads()});
  const int64_t limit = program_.options.memory_limit;
  if (limit > 0 && binding.plan.bytes > limit) {
    return io_error(
        "activations take " + std::to_string(binding.plan.bytes) + " bytes, the limit is " + std::to_string(limit),
        "feed fewer samples at a time, or raise the limit, which runs at the same time share");
  }
  EDGESMITH_TRY(grow_arena(binding.plan.bytes));

  binding.values = program_.constants;
  const auto place = [&](const ir::Value& value, int slot) {
    const int64_t offset = binding.plan.offsets[static_cast<size_t>(slot)];
    if (offset < 0) return;
    const ir::Dims& dims = *binding.plan.dims[index_of(value)];
    const ir::DType dtype = program_.dtype_of(value, slot);
    const int64_t bytes = ir::packed_bytes(ir::num_elements(dims), ir::dtype_bits(dtype));
    const std::span<const std::byte> span(arena_.get() + offset, static_cast<size_t>(bytes));
    binding.values[static_cast<size_t>(slot)] = ir::Tensor(dtype, dims, span, nullptr);
  };
  binding.keep.clear();
  for (const ir::Tensor& constant : program_.constants) binding.keep.push_back(constant.valid());
  for (const ir::Value* input : inputs_) place(*input, program_.slot(*input, Rep::reals));
  binding.bound.clear();
  for (const Step& step : *binding.steps) {
    for (size_t i = 0; i < step.results.size(); ++i) {
      place(step.converted != nullptr ? *step.converted : step.last().output(static_cast<int>(i)), step.results[i]);
    }
    auto& operands = binding.bound.emplace_back().operands;
    for (const int slot : step.operands) {
      operands.push_back(slot < 0 ? nullptr : &binding.values[static_cast<size_t>(slot)]);
    }
  }
  run_shape_code(binding);
  for (size_t s = 0; s < binding.steps->size(); ++s) bind_kernel(binding, s);
  for (const Chain& chain : binding.plan.chains) bind_chain(binding, chain);
  binding.valid = true;
  return {};
}

// Runs the steps that depend on dims and constants alone (the shape code of a graph), once for all runs with these
// dims. What fails here fails again, with an error, when it is run.
void SessionState::run_shape_code(Binding& binding) {
  for (size_t s = 0; s < binding.steps->size(); ++s) {
    const Step& step = (*binding.steps)[s];
    if (step.kernel != nullptr || step.conversion != Conversion::none || step.add != nullptr) continue;
    std::optional<ir::Tensor> measured;  // what a Shape measures, without its elements
    if (step.node->is(ir::OpKind::shape) && step.activation == nullptr) {
      const ir::Value& value = *step.node->input(0);
      const auto& dims = binding.plan.dims[index_of(value)];
      const int bits = ir::dtype_bits(value.type().dtype);
      if (!dims || bits == 0) continue;
      const auto bytes = static_cast<size_t>(ir::packed_bytes(ir::num_elements(*dims), bits));
      measured.emplace(value.type().dtype, *dims, std::span(static_cast<const std::byte*>(nullptr), bytes), nullptr);
      binding.bound[s].operands[0] = &*measured;
    } else {
      const auto known = [&](int slot) { return slot < 0 || binding.keep[static_cast<size_t>(slot)]; };
      if (!std::all_of(step.operands.begin(), step.operands.end(), known)) continue;
    }
    const bool done = run_step(binding, s).ok();
    if (measured) binding.bound[s].operands[0] = &binding.values[static_cast<size_t>(step.operands[0])];
    if (!done) continue;
    binding.bound[s].done = true;
    for (const int slot : step.results) binding.keep[static_cast<size_t>(slot)] = true;
  }
}

// Gathers what the kernel of a step is called with, when the dims of all operands and results are known.
void SessionState::bind_kernel(Binding& binding, size_t index) {
  const Step& step = (*binding.steps)[index];
  BoundStep& bound = binding.bound[index];
  if (step.kernel == nullptr) return;
  std::vector<const ir::Dims*> inputs;
  for (const int slot : step.operands) {
    if (slot >= 0 && !binding.plan.dims[static_cast<size_t>(program_.value_of(slot))]) return;
    inputs.push_back(slot < 0 ? nullptr : &*binding.plan.dims[static_cast<size_t>(program_.value_of(slot))]);
  }
  std::vector<OutputSlot> outputs;
  for (const int slot : step.results) {
    const auto& dims = binding.plan.dims[static_cast<size_t>(program_.value_of(slot))];
    if (!dims || binding.plan.offsets[static_cast<size_t>(slot)] < 0) return;
    outputs.push_back({writable(binding.values[static_cast<size_t>(slot)]), &*dims});
  }
  if (step.kernel->scratch_bytes != nullptr && binding.plan.scratch_offsets[index] < 0) {
    const auto bytes =
        step.kernel->scratch_bytes(step.shown(), step.prepared.get(), inputs, *outputs[0].dims, program_.isa);
    if (!bytes || *bytes != 0) return;
  }
  if (step.kernel->bind != nullptr) {
    auto made = step.kernel->bind(step.shown(), step.prepared.get(), inputs, *outputs[0].dims, program_.isa);
    if (!made) return;
    bound.bound = std::move(*made);
  }
  bound.outputs = std::move(outputs);
  if (binding.plan.scratch_offsets[index] >= 0) bound.scratch = arena_.get() + binding.plan.scratch_offsets[index];
  bound.scratch_step = binding.plan.scratch_steps[index];
  bound.ready = true;
}

// The last step runs the chain. What it reads may be made only while running, but its own result lies in the arena.
void SessionState::bind_chain(Binding& binding, const Chain& chain) {
  for (const int step : chain.steps) binding.bound[static_cast<size_t>(step)].deferred = true;
  BoundStep& last = binding.bound[static_cast<size_t>(chain.steps.back())];
  EDGESMITH_CHECK(!last.outputs.empty()) << "the result of a chain of known dims has no place";
  last.deferred = false;
  last.chain = &chain;
  for (const int slot : chain.operands) last.chain_operands.push_back(&binding.values[static_cast<size_t>(slot)]);
}

Status SessionState::grow_arena(int64_t bytes) {
  if (arena_ != nullptr && bytes <= arena_bytes_) return {};
  fused_.valid = plain_.valid = false;  // their tensors point into the old one
  arena_bytes_ = 0;
  arena_ = allocate_aligned(bytes);
  if (arena_ == nullptr) return io_error("not enough memory for " + std::to_string(bytes) + " bytes of activations");
  arena_bytes_ = bytes;
  return {};
}

}  // namespace edgesmith::runtime
