// SPDX-License-Identifier: Apache-2.0
// The table of half floats against the schemas of libonnx, up to the opset that it knows.
#include "edgesmith/onnx/half_types.h"

#include <gtest/gtest.h>
#include <onnx/defs/schema.h>

#include <optional>
#include <set>
#include <string>
#include <utility>

namespace edgesmith::onnx {
namespace {

using ir::OpKind;
using ::onnx::OpSchema;

/// Operators whose result has a type that an attribute or another operand says, and one whose function has constants of
/// float32.
const std::set<OpKind> kOthers = {
    OpKind::cast_like, OpKind::constant_of_shape, OpKind::dequantize_linear,          OpKind::dynamic_quantize_linear,
    OpKind::eye_like,  OpKind::quantize_linear,   OpKind::mean_variance_normalization};

bool has_own_type(OpKind op, size_t operand) {
  return (op == OpKind::resize && operand > 0) || ((op == OpKind::grid_sample || op == OpKind::pow) && operand == 1);
}

/// Types of a parameter, as "tensor(float)".
std::set<std::string> types_of(const OpSchema& schema, const OpSchema::FormalParameter& parameter) {
  for (const auto& constraint : schema.typeConstraintParams()) {
    if (constraint.type_param_str != parameter.GetTypeStr()) continue;
    return {constraint.allowed_type_strs.begin(), constraint.allowed_type_strs.end()};
  }
  return {parameter.GetTypeStr()};
}

/// Whether `type` may stand wherever float32 may; nothing of float32 is no answer.
std::optional<bool> allows(const OpSchema& schema, OpKind op, const std::string& type) {
  bool any = false, all = true;
  const auto look = [&](const OpSchema::FormalParameter& parameter) {
    const std::set<std::string> types = types_of(schema, parameter);
    if (types.count("tensor(float)") == 0) return;
    any = true;
    all = all && types.count("tensor(" + type + ")") > 0;
  };
  for (size_t i = 0; i < schema.inputs().size(); ++i) {
    if (!has_own_type(op, i)) look(schema.inputs()[i]);
  }
  if (!schema.outputs().empty()) look(schema.outputs()[0]);
  return any ? std::optional(all) : std::nullopt;
}

TEST(HalfTypes, AreThoseOfTheSchemas) {
  int compared = 0;
  for (int kind = 0; kind < ir::num_op_kinds(); ++kind) {
    const auto op = static_cast<OpKind>(kind);
    if (ir::onnx_name(op).empty() || kOthers.count(op) > 0) continue;
    for (int opset = 13; opset <= 17; ++opset) {
      const OpSchema* schema = ::onnx::OpSchemaRegistry::Schema(std::string(ir::onnx_name(op)), opset, "");
      if (schema == nullptr) continue;
      for (const auto& [dtype, name] : {std::pair{ir::DType::f16, "float16"}, std::pair{ir::DType::bf16, "bfloat16"}}) {
        const auto allowed = allows(*schema, op, name);
        if (!allowed) continue;
        EXPECT_EQ(first_opset_of(op, dtype) <= opset, *allowed) << ir::onnx_name(op) << " " << name << " " << opset;
        ++compared;
      }
    }
  }
  EXPECT_GT(compared, 1000);
}

}  // namespace
}  // namespace edgesmith::onnx
