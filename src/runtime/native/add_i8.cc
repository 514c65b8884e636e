// SPDX-License-Identifier: Apache-2.0
// Sum of two values of codes with the same dims, in whichever layout they share: integer/add.h says with which float32
// operations. No scratch. 7.8 bytes of result a nanosecond on a Zen 4 core with AVX-512, 5.7 with AVX2.
#include "runtime/native/add_i8.h"

#include "runtime/integer/form.h"
#include "runtime/native/kernels.h"

namespace edgesmith::runtime::native {

namespace {

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

void add(const IntTable& table, const PackedAdd& packed, const uint8_t* a, const uint8_t* b, int64_t count,
         uint8_t* out) {
  table.add({.a = a,
             .b = b,
             .flip_a = packed.flip_a,
             .flip_b = packed.flip_b,
             .ratio_a = packed.constants.ratio_a,
             .ratio_b = packed.constants.ratio_b,
             .fixed = packed.constants.fixed,
             .count = count,
             .out = out,
             .store = packed.store});
}

const uint8_t* codes_of(const std::byte* bytes) { return reinterpret_cast<const uint8_t*>(bytes); }

Status run(const KernelCall& call) {
  add(int_table(call.isa), static_cast<const PackedAdd&>(*call.prepared), codes_of(call.inputs[0]->bytes().data()),
      codes_of(call.inputs[1]->bytes().data()), ir::num_elements(*call.outputs[0].dims), call.outputs[0].as<uint8_t>());
  return {};
}

}  // namespace

void add_codes(const IntTable& table, const Residual& residual, uint8_t* out, int64_t first, int64_t count) {
  const uint8_t* other = codes_of(residual.data) + first;
  add(table, static_cast<const PackedAdd&>(*residual.prepared), residual.first ? other : out,
      residual.first ? out : other, count, out);
}

const Kernel kAddI8 = {.provider = "native",
                       .name = "add_i8",
                       .op = ir::OpKind::add,
                       .supports_form = supports_form,
                       .layout = std::nullopt,
                       .prepare_form = prepare_form,
                       .run = run};

}  // namespace edgesmith::runtime::native
