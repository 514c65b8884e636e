// SPDX-License-Identifier: Apache-2.0
#include "runtime/session.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "edgesmith/base/thread_pool.h"
#include "edgesmith/ops/op_info.h"
#include "runtime/integer/convert.h"
#include "runtime/native/convert_codes.h"
#include "runtime/quantize_value.h"

namespace edgesmith::runtime {

namespace {

size_t index_of(const ir::Value& value) { return static_cast<size_t>(value.id()); }

std::byte* writable(const ir::Tensor& view) { return const_cast<std::byte*>(view.bytes().data()); }

// Whether a tensor of these dims may be fed to an input of that type.
bool fits(const ir::Type& type, const ir::Tensor& tensor) {
  if (type.dtype != ir::DType::undefined && type.dtype != tensor.dtype()) return false;
  if (!type.shape) return true;
  if (type.rank() != tensor.rank()) return false;
  for (size_t i = 0; i < type.shape->size(); ++i) {
    const ir::Dim& dim = (*type.shape)[i];
    if (dim.known() && dim.value() != tensor.dims()[i]) return false;
  }
  return true;
}

}  // namespace

AlignedBytes allocate_aligned(int64_t bytes) {
  const auto size = static_cast<size_t>((bytes + kArenaAlignment) / kArenaAlignment * kArenaAlignment);
  return AlignedBytes(static_cast<std::byte*>(std::aligned_alloc(kArenaAlignment, size)));
}

Result<ir::Tensor> make_padded(ir::DType dtype, const ir::Dims& dims) {
  const int64_t bytes = ir::packed_bytes(ir::num_elements(dims), ir::dtype_bits(dtype));
  const std::shared_ptr<std::byte[]> memory = allocate_aligned(bytes + kArenaAlignment);
  if (memory == nullptr) return io_error("not enough memory for " + std::to_string(bytes) + " bytes of activations");
  const std::span<const std::byte> span(memory.get(), static_cast<size_t>(bytes));
  return ir::Tensor(dtype, dims, span, memory);
}

Result<std::vector<ir::Tensor>> SessionState::run(std::span<const ir::Tensor> inputs, const Observer* observer,
                                                  const StepTimer* timer) {
  EDGESMITH_TRY(check_inputs(inputs));
  const bool plain = observer != nullptr && program_.options.observed.empty();
  Binding& binding = plain ? plain_ : fused_;
  binding.steps = plain ? &program_.plain_steps : &program_.steps;
  const auto same_dims = [](const ir::Tensor& tensor, const ir::Dims& dims) { return tensor.dims() == dims; };
  if (!binding.valid || !std::equal(inputs.begin(), inputs.end(), binding.input_dims.begin(), same_dims)) {
    EDGESMITH_TRY(bind(binding, inputs));
  }
  EDGESMITH_TRY(set_inputs(binding, inputs));
  if (observer != nullptr) show_known(binding, *observer);
  for (size_t s = 0; s < binding.steps->size(); ++s) {
    EDGESMITH_TRY(timer == nullptr ? run_step(binding, s) : time_step(binding, s, *timer));
    if (observer != nullptr) show_results(binding, s, *observer);
    for (const int id : binding.plan.last_reads[s]) {
      if (!program_.constants[static_cast<size_t>(id)].valid()) binding.values[static_cast<size_t>(id)] = {};
    }
  }
  return results(binding);
}

Status SessionState::check_inputs(std::span<const ir::Tensor> inputs) const {
  const std::vector<ir::Value*> values = program_.graph->inputs();
  if (inputs.size() != values.size()) {
    return invalid_error("fed " + std::to_string(inputs.size()) + " inputs, the model has " +
                         std::to_string(values.size()));
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (fits(values[i]->type(), inputs[i])) continue;
    return invalid_error("input '" + values[i]->name() + "' is fed " + inputs[i].type().text() + ", the model takes " +
                         values[i]->type().text());
  }
  return {};
}

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
  binding.plan =
      plan_shapes(program_, *binding.steps, std::move(*dims), {.threads = pool_ == nullptr ? 1 : pool_->num_threads()});
  const int64_t limit = program_.options.memory_limit;
  if (limit > 0 && binding.plan.bytes > limit) {
    return io_error(
        "activations take " + std::to_string(binding.plan.bytes) + " bytes, the limit is " + std::to_string(limit),
        "feed fewer samples at a time, or raise the limit");
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
  for (const ir::Value* input : program_.graph->inputs()) place(*input, program_.slot(*input, Rep::reals));
  binding.operands.clear();
  for (const Step& step : *binding.steps) {
    for (size_t i = 0; i < step.results.size(); ++i) {
      place(step.converted != nullptr ? *step.converted : step.last().output(static_cast<int>(i)), step.results[i]);
    }
    auto& operands = binding.operands.emplace_back();
    for (const int slot : step.operands) {
      operands.push_back(slot < 0 ? nullptr : &binding.values[static_cast<size_t>(slot)]);
    }
  }
  binding.valid = true;
  return {};
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

Status SessionState::set_inputs(Binding& binding, std::span<const ir::Tensor> inputs) {
  const std::vector<ir::Value*> values = program_.graph->inputs();
  for (size_t i = 0; i < inputs.size(); ++i) {
    const size_t id = index_of(*values[i]);
    ir::Tensor dense = inputs[i].dense();
    if (binding.plan.offsets[id] >= 0 && !dense.bytes().empty()) {
      std::memcpy(writable(binding.values[id]), dense.bytes().data(), dense.bytes().size());
    } else {
      binding.values[id] = std::move(dense);
    }
    EDGESMITH_TRY(annotate(binding, *values[i]));
  }
  return {};
}

Status SessionState::run_step(Binding& binding, size_t index) {
  const Step& step = (*binding.steps)[index];
  const auto result = static_cast<size_t>(step.results[0]);
  const auto& result_dims = binding.plan.dims[static_cast<size_t>(program_.value_of(step.results[0]))];
  const bool on_codes = program_.rep_of(step.results[0]) != Rep::reals;
  if (step.view && (result_dims || on_codes)) {
    if (binding.plan.offsets[result] >= 0) return {};  // a tensor over the operand's bytes since bind()
    const auto dims = result_dims ? Result<ir::Dims>(*result_dims) : evaluated_dims(binding, index);
    if (!dims) return dims.error();
    binding.values[result] = binding.operands[index][0]->reshaped(*dims);
    return {};
  }
  if (step.conversion != Conversion::none) return run_conversion(binding, index);
  const auto dims = output_dims(binding, index);
  if (!dims) return dims.error();
  EDGESMITH_TRY(*dims ? run_kernel(binding, index, **dims) : run_reference(binding, index));
  if ((step.epilogue.quantize && *dims) || on_codes) return {};
  for (int i = 0; i < step.last().num_outputs(); ++i) EDGESMITH_TRY(annotate(binding, step.last().output(i)));
  return {};
}

Status SessionState::time_step(Binding& binding, size_t index, const StepTimer& timer) {
  const auto start = std::chrono::steady_clock::now();
  EDGESMITH_TRY(run_step(binding, index));
  const int64_t nanoseconds = std::chrono::nanoseconds(std::chrono::steady_clock::now() - start).count();
  const Step& step = (*binding.steps)[index];
  timer(*step.node, step.kernel_text(program_.isa), nanoseconds);
  return {};
}

// Dims of the outputs that the step's kernel will write; nothing when ops::eval has to run it.
Result<std::optional<std::vector<ir::Dims>>> SessionState::output_dims(const Binding& binding, size_t index) const {
  using Answer = std::optional<std::vector<ir::Dims>>;
  const Step& step = (*binding.steps)[index];
  if (step.kernel == nullptr) return Answer();
  std::vector<ir::Dims> out;
  for (const int slot : step.results) {
    const auto& dims = binding.plan.dims[static_cast<size_t>(program_.value_of(slot))];
    if (dims) out.push_back(*dims);
  }
  if (out.size() == step.results.size()) return Answer(std::move(out));
  if (program_.rep_of(step.results[0]) != Rep::reals) {
    auto dims = evaluated_dims(binding, index);
    if (!dims) return dims.error();
    return Answer({std::move(*dims)});
  }
  if (step.results.size() != 1 || step.kernel->output_dims == nullptr) return Answer();
  std::vector<const ir::Dims*> inputs;
  for (const ir::Tensor* operand : binding.operands[index]) {
    inputs.push_back(operand == nullptr ? nullptr : &operand->dims());
  }
  const auto dims = step.kernel->output_dims(step.shown(), inputs);
  if (!dims) return Answer();
  return Answer({*dims});
}

// Dims of the result of a step on codes, where they are known only while running: those of the reals.
Result<ir::Dims> SessionState::evaluated_dims(const Binding& binding, size_t index) const {
  const Step& step = (*binding.steps)[index];
  std::vector<ir::Tensor> reals;
  std::vector<const ir::Tensor*> operands;
  reals.reserve(step.operands.size());
  for (size_t i = 0; i < step.operands.size(); ++i) {
    const ir::Tensor* operand = binding.operands[index][i];
    const bool codes = operand != nullptr && program_.rep_of(step.operands[i]) != Rep::reals;
    if (codes) reals.push_back(ir::Tensor::zeros(ir::DType::f32, operand->dims()));
    operands.push_back(codes ? &reals.back() : operand);
  }
  const auto outputs = evaluate(step.shown(), operands);
  if (!outputs) return outputs.error();
  return (*outputs)[0].dims();
}

Status SessionState::run_conversion(Binding& binding, size_t index) {
  const Step& step = (*binding.steps)[index];
  const ir::Tensor& from = *binding.operands[index][0];
  ir::Tensor& to = binding.values[static_cast<size_t>(step.results[0])];
  if (binding.plan.offsets[static_cast<size_t>(step.results[0])] < 0) {
    auto made = make_padded(program_.dtype_of(*step.converted, step.results[0]), from.dims());
    if (!made) return made.error();
    to = std::move(*made);
  }
  const auto layout_of = [&](int slot) {
    return program_.rep_of(slot) == Rep::codes_last ? Layout::channels_last : Layout::row_major;
  };
  const Layout to_layout = layout_of(step.results[0]);
  if (step.conversion == Conversion::change_layout) {
    const auto change = program_.options.reference ? integer::change_layout : native::change_code_layout;
    change(from.dims(), from.bytes().data(), to_layout, writable(to));
    return {};
  }
  const integer::CodeType type = *integer::code_type(program_.annotation(*step.converted));
  if (step.conversion == Conversion::quantize) {
    const float* reals = from.data<float>().data();
    program_.options.reference
        ? integer::quantize(type, from.dims(), reals, to_layout, writable(to))
        : native::quantize_codes(program_.isa, type, from.dims(), reals, to_layout, writable(to));
    return {};
  }
  const std::byte* codes = from.bytes().data();
  const Layout layout = layout_of(step.operands[0]);
  auto* reals = reinterpret_cast<float*>(writable(to));
  program_.options.reference ? integer::dequantize(type, from.dims(), codes, layout, reals)
                             : native::dequantize_codes(program_.isa, type, from.dims(), codes, layout, reals);
  return {};
}

Status SessionState::run_kernel(Binding& binding, size_t index, std::span<const ir::Dims> output_dims) {
  const Step& step = (*binding.steps)[index];
  std::vector<OutputSlot> outputs;
  for (size_t i = 0; i < output_dims.size(); ++i) {
    const auto slot = static_cast<size_t>(step.results[i]);
    const ir::DType dtype = program_.dtype_of(step.last().output(static_cast<int>(i)), step.results[i]);
    ir::Tensor& tensor = binding.values[slot];
    if (binding.plan.offsets[slot] < 0) {
      auto made = make_padded(dtype, output_dims[i]);
      if (!made) return made.error().in(step.node->label());
      tensor = std::move(*made);
    }
    outputs.push_back({writable(tensor), &output_dims[i]});
  }
  const auto& operands = binding.operands[index];
  const bool splits = pool_ != nullptr && step.kernel->splits;
  int64_t step_bytes = binding.plan.scratch_steps[index];
  AlignedBytes own_scratch;
  std::byte* scratch = nullptr;
  if (binding.plan.scratch_offsets[index] >= 0) {
    scratch = arena_.get() + binding.plan.scratch_offsets[index];
  } else if (step.kernel->scratch_bytes != nullptr) {
    std::vector<const ir::Dims*> inputs;
    for (const ir::Tensor* operand : operands) inputs.push_back(operand == nullptr ? nullptr : &operand->dims());
    const auto bytes =
        step.kernel->scratch_bytes(step.shown(), step.prepared.get(), inputs, output_dims[0], program_.isa);
    if (!bytes) return bytes.error().in(step.node->label());
    step_bytes = scratch_step(*bytes);
    const int64_t all_bytes = splits ? step_bytes * pool_->num_threads() : *bytes;
    own_scratch = allocate_aligned(all_bytes);
    scratch = own_scratch.get();
    if (scratch == nullptr) return io_error("not enough memory for " + std::to_string(all_bytes) + " bytes of scratch");
  }
  Residual residual;
  if (step.add != nullptr) {
    residual = {binding.values[static_cast<size_t>(step.residual)].bytes().data(), step.residual_first(program_),
                step.add_prepared.get()};
  }
  const Status status = step.kernel->run({step.shown(), operands, outputs, step.prepared.get(), scratch, step.epilogue,
                                          program_.isa, residual, splits ? pool_ : nullptr, step_bytes});
  return status.ok() ? status : Status(status.error().in(step.node->label()));
}

Status SessionState::run_reference(Binding& binding, size_t index) {
  const Step& step = (*binding.steps)[index];
  auto outputs = evaluate(step.shown(), binding.operands[index]);
  if (!outputs) return outputs.error();
  if (step.add != nullptr) {
    std::vector<const ir::Tensor*> operands = {&(*outputs)[0], &binding.values[static_cast<size_t>(step.residual)]};
    if (step.residual_first(program_)) std::swap(operands[0], operands[1]);
    auto sum = evaluate(*step.add, operands);
    if (!sum) return sum.error();
    outputs = std::move(sum);
  }
  if (step.activation != nullptr) {
    std::vector<const ir::Tensor*> operands = {&(*outputs)[0]};
    for (int i = 1; i < step.activation->num_inputs(); ++i) {
      const ir::Value* value = step.activation->input(i);
      operands.push_back(value == nullptr ? nullptr : &binding.values[index_of(*value)]);
    }
    auto activated = evaluate(*step.activation, operands);
    if (!activated) return activated.error();
    outputs = std::move(activated);
  }
  for (int i = 0; i < step.last().num_outputs(); ++i) {
    ir::Tensor& made = (*outputs)[static_cast<size_t>(i)];
    const size_t id = index_of(step.last().output(i));
    const auto& inferred = binding.plan.dims[id];
    if (inferred && made.dims() != *inferred) {
      return invalid_error(step.last().label() + ": output " + std::to_string(i) + " is " + made.type().text() +
                           ", inferred was " + ir::type_of(made.dtype(), *inferred).text());
    }
    binding.values[id] = own(std::move(made));
  }
  return {};
}

// `tensor` itself, or a copy when it lies in the arena (an evaluation may return its operand's bytes).
ir::Tensor SessionState::own(ir::Tensor tensor) const {
  if (tensor.dtype() == ir::DType::string || tensor.encoding() != ir::Encoding::dense) return tensor;
  const std::byte* data = tensor.bytes().data();
  if (tensor.bytes().empty() || data < arena_.get() || data >= arena_.get() + arena_bytes_) return tensor;
  ir::Tensor copy = ir::Tensor::zeros(tensor.dtype(), tensor.dims());
  std::memcpy(copy.mutable_bytes().data(), data, tensor.bytes().size());
  return copy;
}

Status SessionState::annotate(Binding& binding, const ir::Value& value) {
  const ir::Quant* quant = program_.annotation(value);
  if (quant == nullptr) return {};
  ir::Tensor& tensor = binding.values[index_of(value)];
  if (binding.plan.offsets[index_of(value)] >= 0 && tensor.dtype() == ir::DType::f32) {
    auto* data = reinterpret_cast<float*>(writable(tensor));
    const Status status = fake_quantize(*quant, tensor.dims(), data, data, program_.isa);
    return status.ok() ? status : Status(status.error().in(value.node().label()));
  }
  auto quantized = fake_quantize(*quant, tensor, program_.isa);
  if (!quantized) return quantized.error().in(value.node().label());
  tensor = std::move(*quantized);
  return {};
}

void SessionState::show_known(const Binding& binding, const Observer& observer) const {
  for (const ir::Node& node : program_.graph->nodes()) {
    for (int i = 0; i < node.num_outputs(); ++i) {
      const ir::Value& value = node.output(i);
      if (!program_.options.observed.empty() && !program_.observed(value)) continue;
      if (node.is(ir::OpKind::input) || program_.known(value)) observer(value, binding.values[index_of(value)]);
    }
  }
}

void SessionState::show_results(const Binding& binding, size_t index, const Observer& observer) const {
  const Step& step = (*binding.steps)[index];
  for (size_t i = 0; i < step.results.size(); ++i) {
    const ir::Value& value = step.converted != nullptr ? *step.converted : step.last().output(static_cast<int>(i));
    if (!program_.options.observed.empty() && !program_.observed(value)) continue;
    if (program_.rep_of(step.results[i]) == Rep::reals) observer(value, binding.values[index_of(value)]);
  }
}

std::vector<ir::Tensor> SessionState::results(Binding& binding) const {
  std::vector<ir::Tensor> out;
  const ir::Node& node = program_.graph->output_node();
  for (int i = 0; i < node.num_inputs(); ++i) out.push_back(own(binding.values[index_of(*node.input(i))]));
  return out;
}

}  // namespace edgesmith::runtime
