// SPDX-License-Identifier: Apache-2.0
// Functions of one operand, element by element: a table with the result of each of the 256 codes, made by ops::eval.
#include <array>

#include "edgesmith/ops/op_info.h"
#include "runtime/integer/plain.h"

namespace edgesmith::runtime::integer {

using ir::OpKind;

namespace {

constexpr std::array kFunctions = {OpKind::abs,      OpKind::celu,         OpKind::clip,
                                   OpKind::elu,      OpKind::erf,          OpKind::exp,
                                   OpKind::gelu,     OpKind::hard_sigmoid, OpKind::hard_swish,
                                   OpKind::identity, OpKind::leaky_relu,   OpKind::mish,
                                   OpKind::neg,      OpKind::relu,         OpKind::selu,
                                   OpKind::sigmoid,  OpKind::softplus,     OpKind::softsign,
                                   OpKind::sqrt,     OpKind::tanh,         OpKind::thresholded_relu};

}  // namespace

bool is_lookup(const Form& form) {
  if (std::find(kFunctions.begin(), kFunctions.end(), form.node->op()) == kFunctions.end()) return false;
  for (int i = 1; i < form.node->num_inputs(); ++i) {
    if (form.node->input(i) != nullptr && form.node->input(i)->constant() == nullptr) return false;
  }
  return true;
}

Result<LookupTable> make_lookup(const Form& form) {
  const CodeType &from = *form.operands[0], &to = form.result;
  ir::Tensor reals = ir::Tensor::zeros(ir::DType::f32, {256});
  const auto values = reals.mutable_data<float>();
  for (int byte = 0; byte < 256; ++byte) {
    const int32_t code = from.dtype == ir::DType::i8 ? static_cast<int8_t>(byte) : byte;
    values[static_cast<size_t>(byte)] = static_cast<float>(code - from.zero_point) * from.scale;
  }
  std::vector<ir::Tensor> constants(static_cast<size_t>(form.node->num_inputs()));
  std::vector<const ir::Tensor*> operands = {&reals};
  for (int i = 1; i < form.node->num_inputs(); ++i) {
    const ir::Value* value = form.node->input(i);
    if (value != nullptr) constants[static_cast<size_t>(i)] = value->constant()->dense();
    operands.push_back(value == nullptr ? nullptr : &constants[static_cast<size_t>(i)]);
  }
  const auto results = ops::eval_node(*form.node, operands);
  if (!results) return results.error();
  LookupTable table;
  const auto out = (*results)[0].data<float>();
  for (size_t byte = 0; byte < 256; ++byte) {
    const int32_t code = ir::quantize_value(out[byte], to.scale, to.zero_point, to.dtype);
    table.codes[byte] = static_cast<uint8_t>(std::clamp(code, to.lo, to.hi));
  }
  return table;
}

Result<std::shared_ptr<const Prepared>> prepare_lookup(const Form& form, Isa) {
  auto table = make_lookup(form);
  if (!table) return table.error();
  return std::shared_ptr<const Prepared>(std::make_shared<LookupTable>(*table));
}

Status run_lookup(const KernelCall& call) {
  const auto& table = static_cast<const LookupTable&>(*call.prepared);
  const auto from = call.inputs[0]->bytes();
  for (size_t i = 0; i < from.size(); ++i) {
    call.outputs[0].data[i] = static_cast<std::byte>(table.codes[static_cast<size_t>(from[i])]);
  }
  return {};
}

}  // namespace edgesmith::runtime::integer
