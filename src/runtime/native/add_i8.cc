// SPDX-License-Identifier: Apache-2.0
// Sum of two values of codes with the same dims, in whichever layout they share: integer/add.h says with which float32
// operations. No scratch.
#include "runtime/integer/add.h"

#include "runtime/integer/form.h"
#include "runtime/native/int_packing.h"
#include "runtime/native/kernels.h"

namespace edgesmith::runtime::native {

namespace {

struct PackedAdd : Prepared {
  integer::AddConstants constants;
  uint8_t flip_a = 0, flip_b = 0;
  CodeStore store;
};

// Whether the operands are known to have the same dims.
bool supports_form(const integer::Form& form) {
  if (form.fixed_point() || !form.operands[0] || !form.operands[1]) return false;
  const ir::Type &a = form.node->input(0)->type(), &b = form.node->input(1)->type();
  if (!a.shape || !b.shape || *a.shape != *b.shape) return false;
  for (const ir::Dim& dim : *a.shape) {
    if (dim == ir::Dim()) return false;  // two unknown ones need not be the same
  }
  return true;
}

Result<std::shared_ptr<const Prepared>> prepare_form(const integer::Form& form, Isa) {
  auto packed = std::make_shared<PackedAdd>();
  packed->constants = integer::add_constants(form);
  packed->flip_a = form.operands[0]->dtype == ir::DType::i8 ? 128 : 0;
  packed->flip_b = form.operands[1]->dtype == ir::DType::i8 ? 128 : 0;
  integer::CodeType result = form.result;
  result.zero_point = 0;  // AddConstants::fixed holds it
  packed->store = code_store(result);
  return std::shared_ptr<const Prepared>(std::move(packed));
}

Status run(const KernelCall& call) {
  const auto& packed = static_cast<const PackedAdd&>(*call.prepared);
  int_table(call.isa).add({.a = reinterpret_cast<const uint8_t*>(call.inputs[0]->bytes().data()),
                           .b = reinterpret_cast<const uint8_t*>(call.inputs[1]->bytes().data()),
                           .flip_a = packed.flip_a,
                           .flip_b = packed.flip_b,
                           .ratio_a = packed.constants.ratio_a,
                           .ratio_b = packed.constants.ratio_b,
                           .fixed = packed.constants.fixed,
                           .count = ir::num_elements(*call.outputs[0].dims),
                           .out = call.outputs[0].as<uint8_t>(),
                           .store = packed.store});
  return {};
}

}  // namespace

const Kernel kAddI8 = {.provider = "native",
                       .name = "add_i8",
                       .op = ir::OpKind::add,
                       .supports_form = supports_form,
                       .layout = std::nullopt,
                       .prepare_form = prepare_form,
                       .run = run};

}  // namespace edgesmith::runtime::native
