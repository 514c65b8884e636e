// SPDX-License-Identifier: Apache-2.0
// Operators that move codes about without computing, and those that pick the largest or smallest: ops::eval on the
// codes themselves. Operands and result have one scale and zero point.
#include <cstring>

#include "edgesmith/ops/op_info.h"
#include "runtime/integer/plain.h"

namespace edgesmith::runtime::integer {

using ir::OpKind;

namespace {

bool same_codes(const CodeType& a, const CodeType& b) {
  return a.dtype == b.dtype && a.scale == b.scale && a.zero_point == b.zero_point;
}

// The operand that says what a pad is filled with.
constexpr int kFill = 2;

bool fill_known(const ir::Node& node) {
  return !node.is(OpKind::pad) || node.input(kFill) == nullptr || node.input(kFill)->constant() != nullptr;
}

// A resize that interpolates computes.
bool picks(const ir::Node& node) {
  return !node.is(OpKind::resize) || node.attributes().get_string("mode", "nearest") == "nearest";
}

}  // namespace

bool is_move(const Form& form) {
  const ops::QuantFacts facts = ops::quant_facts(*form.node);
  if (facts.kind != ops::QuantFacts::Kind::transparent || !fill_known(*form.node) || !picks(*form.node)) return false;
  for (const int operand : facts.data_operands) {
    const auto& type = form.operands[static_cast<size_t>(operand)];
    if (type && !same_codes(*type, form.result)) return false;
  }
  return form.result.lo == ir::min_code(form.result.dtype) && form.result.hi == ir::max_code(form.result.dtype);
}

int32_t pad_code(const Form& form) {
  const ir::Value* value = form.node->input(kFill);
  const float real = value == nullptr ? 0.0F : value->constant()->to_floats()[0];
  return ir::quantize_value(real, form.result.scale, form.result.zero_point, form.result.dtype);
}

Status run_move(const KernelCall& call) {
  const Form& form = static_cast<const PlainForm&>(*call.prepared).form;
  std::vector<const ir::Tensor*> operands(call.inputs.begin(), call.inputs.end());
  ir::Tensor fill;
  if (call.node.is(OpKind::pad)) {
    fill = ir::Tensor::zeros(form.result.dtype, {});
    fill.mutable_bytes()[0] = as_byte(pad_code(form));
    operands.resize(std::max<size_t>(operands.size(), kFill + 1));
    operands[kFill] = &fill;
  }
  auto results = ops::eval_node(call.node, operands);
  if (!results) return results.error();
  const auto bytes = (*results)[0].bytes();
  if (!bytes.empty()) std::memcpy(call.outputs[0].data, bytes.data(), bytes.size());
  return {};
}

}  // namespace edgesmith::runtime::integer
