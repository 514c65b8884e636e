// SPDX-License-Identifier: Apache-2.0
// Pad with a constant, Slice and Transpose on codes, channels last: rows of channels are copied whole where they stay
// rows.
#include <cstring>

#include "runtime/integer/plain.h"
#include "runtime/native/copies.h"
#include "runtime/native/kernels.h"

namespace edgesmith::runtime::native {

namespace {

bool supports(const integer::Form& form) {
  const bool constant = form.node->attributes().get_string("mode", "constant") == "constant";
  return constant && form.node->input(0)->type().rank() <= static_cast<int>(kMostAxes) && integer::is_move(form);
}

// What a Pad fills with.
struct PackedFill : Prepared {
  std::byte code = {};
};

Result<std::shared_ptr<const Prepared>> prepare_fill(const integer::Form& form, Isa) {
  auto packed = std::make_shared<PackedFill>();
  if (form.node->is(ir::OpKind::pad)) packed->code = integer::as_byte(integer::pad_code(form));
  return std::shared_ptr<const Prepared>(std::move(packed));
}

Status run_pad(const KernelCall& call) {
  const auto copy = pad_copy(call, Layout::channels_last);
  if (!copy) return copy.error();
  const int64_t count = ir::num_elements(*call.outputs[0].dims);
  const std::byte fill = static_cast<const PackedFill&>(*call.prepared).code;
  if (count > 0) std::memset(call.outputs[0].data, static_cast<int>(fill), static_cast<size_t>(count));
  copy->run(call.inputs[0]->bytes().data(), call.outputs[0].data);
  return {};
}

Status run_slice(const KernelCall& call) {
  const auto copy = slice_copy(call, Layout::channels_last);
  if (!copy) return copy.error();
  copy->run(call.inputs[0]->bytes().data(), call.outputs[0].data);
  return {};
}

Status run_transpose(const KernelCall& call) {
  const auto copy = transpose_copy(call, Layout::channels_last);
  if (!copy) return copy.error();
  copy->run(call.inputs[0]->bytes().data(), call.outputs[0].data);
  return {};
}

constexpr Kernel row(std::string_view name, ir::OpKind op, Status (*run)(const KernelCall&)) {
  return {.provider = "native",
          .name = name,
          .op = op,
          .supports_form = supports,
          .layout = Layout::channels_last,
          .prepare_form = prepare_fill,
          .run = run};
}

}  // namespace

const Kernel kPadI8 = row("pad_i8", ir::OpKind::pad, run_pad);
const Kernel kSliceI8 = row("slice_i8", ir::OpKind::slice, run_slice);
const Kernel kTransposeI8 = row("transpose_i8", ir::OpKind::transpose, run_transpose);

}  // namespace edgesmith::runtime::native
