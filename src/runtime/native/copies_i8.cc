// SPDX-License-Identifier: Apache-2.0
// Pad with a constant and Slice on codes, channels last: rows of channels are copied whole.
#include <cstring>

#include "runtime/integer/plain.h"
#include "runtime/native/copies.h"
#include "runtime/native/kernels.h"

namespace edgesmith::runtime::native {

namespace {

bool supports(const integer::Form& form) {
  const bool constant = form.node->attributes().get_string("mode", "constant") == "constant";
  return constant && integer::is_move(form);
}

Status run_pad(const KernelCall& call) {
  const auto copy = pad_copy(call, Layout::channels_last);
  if (!copy) return copy.error();
  const int32_t fill = integer::pad_code(static_cast<const integer::PlainForm&>(*call.prepared).form);
  const int64_t count = ir::num_elements(*call.outputs[0].dims);
  if (count > 0)
    std::memset(call.outputs[0].data, static_cast<int>(integer::as_byte(fill)), static_cast<size_t>(count));
  copy->run(call.inputs[0]->bytes().data(), call.outputs[0].data);
  return {};
}

Status run_slice(const KernelCall& call) {
  const auto copy = slice_copy(call, Layout::channels_last);
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
          .prepare_form = integer::prepare_plain,
          .run = run};
}

}  // namespace

const Kernel kPadI8 = row("pad_i8", ir::OpKind::pad, run_pad);
const Kernel kSliceI8 = row("slice_i8", ir::OpKind::slice, run_slice);

}  // namespace edgesmith::runtime::native
