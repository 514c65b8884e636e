// SPDX-License-Identifier: Apache-2.0
#include "runtime/program.h"

#include "edgesmith/ops/op_info.h"

namespace edgesmith::runtime {

using ir::OpKind;

Result<std::vector<ir::Tensor>> evaluate(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  auto outputs = ops::eval_node(node, inputs);
  return outputs ? complete(node, std::move(*outputs)) : outputs;
}

Result<std::vector<ir::Tensor>> complete(const ir::Node& node, std::vector<ir::Tensor> outputs) {
  if (static_cast<int>(outputs.size()) >= node.num_outputs()) return outputs;
  return unsupported_error(node.label() + ": output " + std::to_string(outputs.size()) + " cannot be computed");
}

bool is_view(const ir::Node& node) {
  return node.is(OpKind::reshape) || node.is(OpKind::flatten) || node.is(OpKind::squeeze) ||
         node.is(OpKind::unsqueeze) || node.is(OpKind::identity);
}

const ir::Quant* Program::annotation(const ir::Value& value) const {
  return options.arithmetic == Arithmetic::floating || !value.quant() ? nullptr : &*value.quant();
}

std::string Step::choice_name() const {
  switch (conversion) {
    case Conversion::none: break;
    case Conversion::quantize: return "quantize";
    case Conversion::dequantize: return "dequantize";
    case Conversion::change_layout: return "change layout";
  }
  if (kernel == nullptr) return view ? "view" : "reference";
  return full_name(*kernel);
}

std::string Step::kernel_text(Isa isa) const {
  return kernel == nullptr ? choice_name() : choice_name() + " (" + std::string(isa_word(isa)) + ")";
}

bool Step::residual_first(const Program& program) const { return program.value_of(residual) == add->input(0)->id(); }

bool Program::depends_on_dims_alone(const ir::Node& node) const {
  for (int i = 0; i < node.num_inputs(); ++i) {
    const ir::Value* value = node.input(i);
    if (value != nullptr && !known(*value) && !by_dims[static_cast<size_t>(value->id())]) return false;
  }
  return true;
}

int Program::slot(const ir::Value& value, Rep rep) const {
  if (rep == Rep::codes_last && value.type().rank() < 3) rep = Rep::codes;
  return static_cast<int>(rep) * num_values() + value.id();
}

ir::DType Program::dtype_of(const ir::Value& value, int slot) const {
  return rep_of(slot) == Rep::reals ? value.type().dtype : value.quant()->dtype;
}

Step plain_step(const Program& program, const ir::Node& node) {
  Step step;
  step.node = &node;
  for (int i = 0; i < node.num_inputs(); ++i) {
    step.operands.push_back(node.input(i) == nullptr ? -1 : program.slot(*node.input(i), Rep::reals));
  }
  for (int i = 0; i < node.num_outputs(); ++i) step.results.push_back(program.slot(node.output(i), Rep::reals));
  return step;
}

}  // namespace edgesmith::runtime
