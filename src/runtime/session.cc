// SPDX-License-Identifier: Apache-2.0
#include "runtime/session.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>

#include "edgesmith/base/check.h"
#include "edgesmith/base/thread_pool.h"
#include "edgesmith/ops/op_info.h"
#include "runtime/integer/convert.h"
#include "runtime/native/convert_codes.h"
#include "runtime/native/round_halves.h"
#include "runtime/quantize_value.h"

namespace edgesmith::runtime {

namespace {

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

// Makes `view` one of the bytes of a dense tensor, with these dims. Allocates nothing when it was such a view before.
void show_bytes(const ir::Tensor& tensor, const ir::Dims& dims, ir::Tensor& view) {
  if (view.valid() && !view.owns_storage() && view.dtype() == tensor.dtype() && view.dims() == dims) {
    view.rebase(tensor.bytes());
  } else {
    view = ir::Tensor(tensor.dtype(), dims, tensor.bytes(), nullptr);
  }
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
  std::vector<ir::Tensor> outputs;
  EDGESMITH_TRY(run_into(inputs, outputs, observer, timer));
  return outputs;
}

Status SessionState::run_into(std::span<const ir::Tensor> inputs, std::vector<ir::Tensor>& outputs,
                              const Observer* observer, const StepTimer* timer) {
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
      ir::Tensor& value = binding.values[static_cast<size_t>(id)];
      if (value.owns_storage() && !binding.keep[static_cast<size_t>(id)]) value = {};
    }
  }
  const ir::Node& results = program_.graph->output_node();
  outputs.resize(static_cast<size_t>(results.num_inputs()));
  for (int i = 0; i < results.num_inputs(); ++i) {
    give(binding.values[index_of(*results.input(i))], outputs[static_cast<size_t>(i)]);
  }
  return {};
}

Status SessionState::check_inputs(std::span<const ir::Tensor> inputs) const {
  if (inputs.size() != inputs_.size()) {
    return invalid_error("fed " + std::to_string(inputs.size()) + " inputs, the model has " +
                         std::to_string(inputs_.size()));
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (fits(inputs_[i]->type(), inputs[i])) continue;
    return invalid_error("input '" + inputs_[i]->name() + "' is fed " + inputs[i].type().text() + ", the model takes " +
                         inputs_[i]->type().text());
  }
  return {};
}

void SessionState::run_chain(const BoundStep& bound) {
  std::array<const float*, native::kMostWalked> operands;
  for (size_t i = 0; i < bound.chain_operands.size(); ++i) operands[i] = bound.chain_operands[i]->data<float>().data();
  bound.chain->run(program_.isa, std::span(operands.data(), bound.chain_operands.size()), bound.outputs[0].as<float>(),
                   bound.scratch, bound.scratch_step, pool_);
}

Status SessionState::set_inputs(Binding& binding, std::span<const ir::Tensor> inputs) {
  for (size_t i = 0; i < inputs.size(); ++i) {
    const size_t id = index_of(*inputs_[i]);
    ir::Tensor& value = binding.values[id];
    const ir::Tensor& fed = inputs[i];
    const bool dense = fed.encoding() == ir::Encoding::dense && fed.dtype() != ir::DType::string;
    if (binding.plan.offsets[id] >= 0) {
      const ir::Tensor reals = dense ? ir::Tensor() : fed.dense();
      const auto bytes = dense ? fed.bytes() : reals.bytes();
      if (!bytes.empty()) std::memcpy(writable(value), bytes.data(), bytes.size());
    } else if (dense && reinterpret_cast<uintptr_t>(fed.bytes().data()) % 8 == 0) {
      show_bytes(fed, fed.dims(), value);  // they are there as long as this run
    } else {
      value = fed.dense();
    }
    EDGESMITH_TRY(annotate(binding, *inputs_[i]));
  }
  return {};
}

Status SessionState::run_step(Binding& binding, size_t index) {
  const Step& step = (*binding.steps)[index];
  const BoundStep& bound = binding.bound[index];
  if (bound.done || bound.deferred) return {};
  if (bound.chain != nullptr) {
    run_chain(bound);
    return {};
  }
  const auto result = static_cast<size_t>(step.results[0]);
  const auto& result_dims = binding.plan.dims[static_cast<size_t>(program_.value_of(step.results[0]))];
  const bool on_codes = program_.rep_of(step.results[0]) != Rep::reals;
  if (step.view && (result_dims || on_codes)) {
    if (binding.plan.offsets[result] >= 0) return {};  // a tensor over the operand's bytes since bind()
    Result<ir::Dims> evaluated = ir::Dims();
    if (!result_dims) evaluated = evaluated_dims(binding, index);
    if (!evaluated) return evaluated.error();
    const ir::Dims* const dims = result_dims ? &*result_dims : &*evaluated;
    const ir::Tensor& from = *bound.operands[0];
    if (from.owns_storage() || from.encoding() != ir::Encoding::dense) {
      binding.values[result] = from.reshaped(*dims);
    } else {
      show_bytes(from, *dims, binding.values[result]);
    }
    return {};
  }
  if (step.conversion != Conversion::none) return run_conversion(binding, index);
  bool by_kernel = bound.ready;
  if (bound.ready) {
    EDGESMITH_TRY(call_kernel(binding, index, bound));
  } else {
    const auto dims = output_dims(binding, index);
    if (!dims) return dims.error();
    by_kernel = dims->has_value();
    EDGESMITH_TRY(by_kernel ? run_kernel(binding, index, **dims) : run_reference(binding, index));
  }
  if ((step.epilogue.quantize && by_kernel) || on_codes) return {};
  for (int i = 0; i < step.last().num_outputs(); ++i) EDGESMITH_TRY(annotate(binding, step.last().output(i)));
  return {};
}

Status SessionState::time_step(Binding& binding, size_t index, const StepTimer& timer) {
  const auto start = std::chrono::steady_clock::now();
  EDGESMITH_TRY(run_step(binding, index));
  const int64_t nanoseconds = std::chrono::nanoseconds(std::chrono::steady_clock::now() - start).count();
  if (binding.bound[index].deferred) return {};
  const Chain* const chain = binding.bound[index].chain;
  if (chain == nullptr) {
    const Step& step = (*binding.steps)[index];
    timer(*step.node, step.kernel_text(program_.isa), nanoseconds);
    return {};
  }
  for (const int part : chain->steps) {
    const Step& step = (*binding.steps)[static_cast<size_t>(part)];
    timer(*step.node, step.kernel_text(program_.isa), nanoseconds / static_cast<int64_t>(chain->steps.size()));
  }
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
  for (const ir::Tensor* operand : binding.bound[index].operands) {
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
    const ir::Tensor* operand = binding.bound[index].operands[i];
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
  const ir::Tensor& from = *binding.bound[index].operands[0];
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

// Runs a step whose dims are known only now.
Status SessionState::run_kernel(Binding& binding, size_t index, std::span<const ir::Dims> output_dims) {
  const Step& step = (*binding.steps)[index];
  BoundStep bound = {.operands = binding.bound[index].operands};
  for (size_t i = 0; i < output_dims.size(); ++i) {
    const auto slot = static_cast<size_t>(step.results[i]);
    const ir::DType dtype = program_.dtype_of(step.last().output(static_cast<int>(i)), step.results[i]);
    ir::Tensor& tensor = binding.values[slot];
    if (binding.plan.offsets[slot] < 0) {
      auto made = make_padded(dtype, output_dims[i]);
      if (!made) return made.error().in(step.node->label());
      tensor = std::move(*made);
    }
    bound.outputs.push_back({writable(tensor), &output_dims[i]});
  }
  std::vector<const ir::Dims*> inputs;
  for (const ir::Tensor* operand : bound.operands) inputs.push_back(operand == nullptr ? nullptr : &operand->dims());
  if (step.kernel->bind != nullptr) {
    auto made = step.kernel->bind(step.shown(), step.prepared.get(), inputs, output_dims[0], program_.isa);
    if (!made) return made.error().in(step.node->label());
    bound.bound = std::move(*made);
  }
  AlignedBytes own_scratch;
  bound.scratch_step = binding.plan.scratch_steps[index];
  if (binding.plan.scratch_offsets[index] >= 0) {
    bound.scratch = arena_.get() + binding.plan.scratch_offsets[index];
  } else if (step.kernel->scratch_bytes != nullptr) {
    const auto bytes =
        step.kernel->scratch_bytes(step.shown(), step.prepared.get(), inputs, output_dims[0], program_.isa);
    if (!bytes) return bytes.error().in(step.node->label());
    bound.scratch_step = scratch_step(*bytes);
    const bool splits = pool_ != nullptr && step.kernel->splits;
    const int64_t all_bytes = splits ? bound.scratch_step * pool_->num_threads() : *bytes;
    own_scratch = allocate_aligned(all_bytes);
    bound.scratch = own_scratch.get();
    if (own_scratch == nullptr) {
      return io_error("not enough memory for " + std::to_string(all_bytes) + " bytes of scratch");
    }
  }
  return call_kernel(binding, index, bound);
}

Status SessionState::call_kernel(const Binding& binding, size_t index, const BoundStep& bound) {
  const Step& step = (*binding.steps)[index];
  Residual residual;
  if (step.add != nullptr) {
    residual = {binding.values[static_cast<size_t>(step.residual)].bytes().data(), step.residual_first(program_),
                step.add_prepared.get()};
  }
  const bool splits = pool_ != nullptr && step.kernel->splits;
  const Status status =
      step.kernel->run({step.shown(), bound.operands, bound.outputs, step.prepared.get(), bound.scratch, step.epilogue,
                        program_.isa, residual, splits ? pool_ : nullptr, bound.scratch_step, bound.bound.get()});
  return status.ok() ? status : Status(status.error().in(step.node->label()));
}

// Runs a node by the graphs inside it.
Result<std::vector<ir::Tensor>> SessionState::run_bodies(const Binding& binding, size_t index) {
  const Step& step = (*binding.steps)[index];
  const auto& operands = binding.bound[index].operands;
  std::vector<const ir::Tensor*> constant;
  for (size_t i = 0; i < operands.size(); ++i) {
    const int slot = step.operands[i];
    if (slot >= 0 && program_.constants[static_cast<size_t>(slot)].valid()) constant.push_back(operands[i]);
  }
  return bodies_.run(step.shown(), operands, constant);
}

Status SessionState::run_reference(Binding& binding, size_t index) {
  const Step& step = (*binding.steps)[index];
  const bool has_bodies = step.shown().subgraphs != nullptr && program_.bodies != nullptr;
  const auto& own_operands = binding.bound[index].operands;
  auto outputs = step.half != nullptr ? halves_.run(*step.half, own_operands)
                 : has_bodies         ? run_bodies(binding, index)
                                      : evaluate(step.shown(), own_operands);
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

// What is done to a result where it lies: rounded to the codes of its annotation, or to half floats.
Status SessionState::annotate(Binding& binding, const ir::Value& value) {
  if (const ir::DType half = program_.rounds_to(value); half != ir::DType::undefined) {
    ir::Tensor& made = binding.values[index_of(value)];
    if (binding.plan.offsets[index_of(value)] >= 0) {
      native::round_to_half(program_.isa, half, reinterpret_cast<float*>(writable(made)), made.size());
    } else {
      made = native::rounded_to_half(program_.isa, made, half);  // an evaluation may return its operand's bytes
    }
  }
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

// Puts a result where the caller wants it: into the memory of `output` where that fits and nobody else holds it.
void SessionState::give(const ir::Tensor& result, ir::Tensor& output) const {
  if (result.owns_storage() || !result.valid()) {
    output = own(result);
    return;
  }
  const bool fits = output.is_sole_owner() && output.dtype() == result.dtype() && output.dims() == result.dims();
  if (!fits) output = ir::Tensor::zeros(result.dtype(), result.dims());
  if (!result.bytes().empty()) std::memcpy(output.mutable_bytes().data(), result.bytes().data(), result.bytes().size());
}

}  // namespace edgesmith::runtime
