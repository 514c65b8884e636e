// SPDX-License-Identifier: Apache-2.0
#include "runtime/fuse_gate.h"

#include "runtime/fuse_residual.h"

namespace edgesmith::runtime {

using ir::OpKind;

namespace {

bool is_zero(const ir::Value* value) {
  const ir::Tensor* tensor = value == nullptr ? nullptr : value->constant();
  return tensor != nullptr && tensor->dtype() == ir::DType::f32 && tensor->size() == 1 && tensor->rank() <= 1 &&
         tensor->to_floats()[0] == 0.0F;
}

}  // namespace

const ir::Value* gated_by(const ir::Node& where) {
  if (!where.is(OpKind::where) || where.num_inputs() != 3 || !is_zero(where.input(2))) return nullptr;
  const ir::Node& greater = where.input(0)->node();
  if (!greater.is(OpKind::greater) || greater.output().uses().size() != 1 || !is_zero(greater.input(1))) return nullptr;
  const ir::Value &y = *greater.input(0), &passed = *where.input(1);
  const auto is_float = [](const ir::Value& v) { return v.type().dtype == ir::DType::f32; };
  if (!is_float(y) || !is_float(passed) || passed.type().rank() < 1) return nullptr;
  return known_same_dims(y.type(), passed.type()) ? &y : nullptr;
}

const ir::Value* fused_gate(const Program& program, const ir::Node& where) {
  if (program.options.reference) return nullptr;
  const ir::Value* y = gated_by(where);
  if (y == nullptr) return nullptr;
  const ir::Value& mask = *where.input(0);
  const KernelChoices& choices = program.options.choices;
  const bool apart = program.observed(mask) || choices.contains(where.id()) || choices.contains(mask.node().id());
  return apart || program.known(mask) ? nullptr : y;
}

bool is_fused_gate(const Program& program, const ir::Node& greater) {
  if (!greater.is(OpKind::greater) || greater.output().uses().size() != 1) return false;
  return fused_gate(program, *greater.output().uses()[0].node) != nullptr;
}

}  // namespace edgesmith::runtime
