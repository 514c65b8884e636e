// SPDX-License-Identifier: Apache-2.0
#include "runtime/integer/form.h"

#include <algorithm>
#include <limits>

#include "edgesmith/ops/op_info.h"

namespace edgesmith::runtime::integer {

std::optional<CodeType> code_type(const ir::Quant* quant) {
  if (quant == nullptr || quant->scale.size() != 1 || quant->zero_point.size() != 1) return std::nullopt;
  if (quant->dtype != ir::DType::u8 && quant->dtype != ir::DType::i8) return std::nullopt;
  CodeType type;
  type.dtype = quant->dtype;
  type.scale = quant->scale[0];
  type.zero_point = quant->zero_point[0];
  type.lo = static_cast<int32_t>(ir::min_code(quant->dtype));
  type.hi = static_cast<int32_t>(ir::max_code(quant->dtype));
  return type;
}

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

const ir::Quant* annotation(const ir::Value* value) {
  return value != nullptr && value->quant() ? &*value->quant() : nullptr;
}

}  // namespace

std::optional<Form> make_form(const ir::Node& node, const ir::Value& result, float lo, float hi,
                              Arithmetic arithmetic) {
  const ops::QuantFacts facts = ops::quant_facts(node);
  if (facts.kind == ops::QuantFacts::Kind::float_only) return std::nullopt;
  auto codes = code_type(annotation(&result));
  if (node.num_outputs() != 1 || result.type().dtype != ir::DType::f32) return std::nullopt;
  Form form;
  const bool product = node.is(ir::OpKind::gemm) || node.is(ir::OpKind::mat_mul);
  form.real_result = product && !result.quant() && lo == -kInfinity && hi == kInfinity;
  if (form.real_result) codes = CodeType();
  if (!codes) return std::nullopt;
  form.node = &node;
  form.arithmetic = arithmetic;
  form.result = *codes;
  form.result.lo = std::max(codes->lo, ir::quantize_value(lo, codes->scale, codes->zero_point, codes->dtype));
  form.result.hi = std::min(codes->hi, ir::quantize_value(hi, codes->scale, codes->zero_point, codes->dtype));
  for (int i = 0; i < node.num_inputs(); ++i) form.operands.push_back(code_type(annotation(node.input(i))));
  const bool complete = std::all_of(facts.data_operands.begin(), facts.data_operands.end(), [&](int operand) {
    return node.input(operand) == nullptr || form.operands[static_cast<size_t>(operand)].has_value();
  });
  return complete ? std::optional(std::move(form)) : std::nullopt;
}

}  // namespace edgesmith::runtime::integer
