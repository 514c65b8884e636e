// SPDX-License-Identifier: Apache-2.0
// concat of codes of one scale and zero point, channels last: runs of bytes are copied. No scratch.
#include <cstring>

#include "runtime/integer/plain.h"
#include "runtime/native/kernels.h"

namespace edgesmith::runtime::native {

namespace {

// The place of axis `axis` in memory, channels last.
int place_of(int axis, int rank) {
  if (rank < 3 || axis == 0) return axis;
  return axis == 1 ? rank - 1 : axis - 1;
}

// Bytes of one run: what lies under one index of the axes before `place`.
int64_t run_bytes(const ir::Dims& dims, int place) {
  const auto rank = static_cast<int>(dims.size());
  int64_t bytes = 1;
  for (int axis = 0; axis < rank; ++axis) bytes *= place_of(axis, rank) >= place ? dims[static_cast<size_t>(axis)] : 1;
  return bytes;
}

bool supports_form(const integer::Form& form) {
  return form.node->output().type().rank() > 0 && integer::is_move(form);
}

Status run(const KernelCall& call) {
  const ir::Dims& dims = *call.outputs[0].dims;
  if (ir::num_elements(dims) == 0) return {};
  const auto rank = static_cast<int>(dims.size());
  auto axis = static_cast<int>(call.node.attributes().get_int("axis", 0));
  if (axis < 0) axis += rank;
  const int place = place_of(axis, rank);
  const int64_t out_run = run_bytes(dims, place), runs = ir::num_elements(dims) / out_run;
  std::byte* out = call.outputs[0].data;
  for (const ir::Tensor* operand : call.inputs) {
    const auto run = static_cast<size_t>(run_bytes(operand->dims(), place));
    const std::byte* from = operand->bytes().data();
    for (int64_t i = 0; i < runs && run > 0; ++i, from += run) std::memcpy(out + i * out_run, from, run);
    out += run;
  }
  return {};
}

}  // namespace

const Kernel kConcatI8 = {.provider = "native",
                          .name = "concat_i8",
                          .op = ir::OpKind::concat,
                          .supports_form = supports_form,
                          .layout = Layout::channels_last,
                          .run = run};

}  // namespace edgesmith::runtime::native
