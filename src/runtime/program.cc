// SPDX-License-Identifier: Apache-2.0
#include "runtime/program.h"

#include "edgesmith/ops/op_info.h"
#include "runtime/quantize_value.h"

namespace edgesmith::runtime {

using ir::OpKind;

namespace {

Error no_kernel(const ir::Node& node) {
  const std::string op = node.is(OpKind::opaque) ? node.opaque_op : std::string(ir::onnx_name(node.op()));
  return unsupported_error(node.label() + ": operator " + op + " cannot be run",
                           "a model with it can be converted, but not evaluated or calibrated");
}

bool structural(const ir::Node& node) {
  return node.is(OpKind::input) || node.is(OpKind::output) || node.is(OpKind::constant);
}

// The constant operands of a node; null where an operand is absent or computed.
std::vector<const ir::Tensor*> constant_operands(const Program& program, const ir::Node& node) {
  std::vector<const ir::Tensor*> out;
  for (int i = 0; i < node.num_inputs(); ++i) {
    const ir::Value* value = node.input(i);
    const bool constant = value != nullptr && program.known(*value);
    out.push_back(constant ? &program.constants[static_cast<size_t>(value->id())] : nullptr);
  }
  return out;
}

Status add_constant(Program& program, const ir::Value& value, const ir::Tensor& tensor) {
  ir::Tensor dense = tensor.dense();
  const ir::Quant* quant = program.annotation(value);
  // An affine constant's annotation is the tensor's own: its reals are already the dequantized ones.
  if (quant != nullptr && tensor.encoding() != ir::Encoding::affine) {
    auto quantized = fake_quantize(*quant, dense, program.isa);
    if (!quantized) return quantized.error().in(value.node().label());
    dense = std::move(*quantized);
  }
  program.constants[static_cast<size_t>(value.id())] = std::move(dense);
  return {};
}

// Runs a node whose operands are all constant, now. False when it is not one.
Result<bool> fold(Program& program, const ir::Node& node) {
  const std::vector<const ir::Tensor*> operands = constant_operands(program, node);
  for (int i = 0; i < node.num_inputs(); ++i) {
    if (node.input(i) != nullptr && operands[static_cast<size_t>(i)] == nullptr) return false;
  }
  auto outputs = evaluate(node, operands);
  if (!outputs) return outputs.error();
  for (int i = 0; i < node.num_outputs(); ++i) {
    EDGESMITH_TRY(add_constant(program, node.output(i), (*outputs)[static_cast<size_t>(i)]));
  }
  return true;
}

// The bounds of a relu, or of a clip with constant bounds.
std::optional<Epilogue> as_clamp(const Program& program, const ir::Node& node) {
  Epilogue epilogue;
  epilogue.clamp = true;
  if (node.is(OpKind::relu)) {
    epilogue.lo = 0;
    return epilogue;
  }
  if (!node.is(OpKind::clip)) return std::nullopt;
  for (int i = 1; i < node.num_inputs(); ++i) {
    if (node.input(i) == nullptr) continue;
    const ir::Tensor& bound = program.constants[static_cast<size_t>(node.input(i)->id())];
    if (!bound.valid() || bound.dtype() != ir::DType::f32 || bound.size() != 1) return std::nullopt;
    (i == 1 ? epilogue.lo : epilogue.hi) = bound.data<float>()[0];
  }
  return epilogue;
}

// The activation that is the only reader of what `step` makes, when the kernel can do it too.
void fuse_activation(const Program& program, Step& step) {
  const ir::Value& value = step.node->output();
  if (step.kernel == nullptr || !step.kernel->epilogue || step.node->num_outputs() != 1) return;
  if (value.uses().size() != 1 || value.quant().has_value()) return;
  const ir::Node& reader = *value.uses()[0].node;
  if (value.uses()[0].index != 0 || reader.is(OpKind::output)) return;
  const auto clamp = as_clamp(program, reader);
  if (!clamp) return;
  step.activation = &reader;
  step.epilogue = *clamp;
}

void finish(const Program& program, Step& step) {
  if (step.kernel == nullptr || !step.kernel->epilogue || step.last().num_outputs() != 1) return;
  const ir::Quant* quant = program.annotation(step.last().output());
  if (quant != nullptr) add_to_epilogue(*quant, step.epilogue);
}

// A view passes bytes on, so it may carry no annotation but the one its operand carries (quantizing twice is once).
bool view_allowed(const Program& program, const ir::Node& node) {
  const ir::Quant* quant = program.annotation(node.output());
  if (quant == nullptr) return true;
  const ir::Quant* operand = program.annotation(*node.input(0));
  return operand != nullptr && quant->per_tensor() && operand->same_codes(*quant) && ir::dtype_bits(quant->dtype) <= 16;
}

Result<Step> make_step(const Program& program, const ir::Node& node) {
  Step step;
  step.node = &node;
  if (ops::find_op(node.op()) == nullptr) return no_kernel(node);
  if (program.options.reference) return step;
  step.view = is_view(node) && view_allowed(program, node);
  if (step.view) return step;
  step.kernel = find_kernel(node, program.isa, program.options.reassociate);
  if (step.kernel == nullptr || step.kernel->prepare == nullptr) return step;
  auto prepared = step.kernel->prepare(node, constant_operands(program, node), program.isa);
  if (!prepared) return prepared.error().in(node.label());
  step.prepared = std::move(*prepared);
  return step;
}

}  // namespace

Result<std::vector<ir::Tensor>> evaluate(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  auto outputs = ops::eval_node(node, inputs);
  if (!outputs || static_cast<int>(outputs->size()) >= node.num_outputs()) return outputs;
  return unsupported_error(node.label() + ": output " + std::to_string(outputs->size()) + " cannot be computed");
}

bool is_view(const ir::Node& node) {
  return node.is(OpKind::reshape) || node.is(OpKind::flatten) || node.is(OpKind::squeeze) ||
         node.is(OpKind::unsqueeze) || node.is(OpKind::identity);
}

const ir::Quant* Program::annotation(const ir::Value& value) const {
  return options.ignore_quant || !value.quant() ? nullptr : &*value.quant();
}

Result<Program> compile(const ir::Graph& graph, const ExecutorOptions& options, Isa isa) {
  Program program;
  program.graph = &graph;
  program.options = options;
  program.isa = isa;
  program.constants.resize(static_cast<size_t>(graph.num_value_ids()));
  std::vector<bool> fused(static_cast<size_t>(graph.num_node_ids()));
  for (const ir::Node& node : graph.nodes()) {  // all first: the bounds of a clip may come after what it is fused into
    if (node.is(OpKind::constant)) EDGESMITH_TRY(add_constant(program, node.output(), node.tensor()));
  }
  for (const ir::Node& node : graph.nodes()) {
    if (structural(node)) continue;
    if (ops::find_op(node.op()) == nullptr) return no_kernel(node);
    auto folded = fold(program, node);
    if (!folded) return folded.error();
    if (*folded) continue;
    auto step = make_step(program, node);
    if (!step) return step.error();
    program.plain_steps.push_back(*step);
    finish(program, program.plain_steps.back());
    if (fused[static_cast<size_t>(node.id())]) continue;
    fuse_activation(program, *step);
    if (step->activation != nullptr) fused[static_cast<size_t>(step->activation->id())] = true;
    finish(program, *step);
    program.steps.push_back(std::move(*step));
  }
  return program;
}

}  // namespace edgesmith::runtime
