// SPDX-License-Identifier: Apache-2.0
// Add, Sub, Mul and Div of float32 tensors with broadcasting.
#include "runtime/native/broadcast_walk.h"
#include "runtime/native/conv_common.h"
#include "runtime/native/kernels.h"
#include "runtime/native/table.h"

namespace edgesmith::runtime::native {

namespace {

template <Binary Op>
Status run(const KernelCall& call) {
  const NativeTable& table = native_table(call.isa);
  const float* a = call.inputs[0]->data<float>().data();
  const float* b = call.inputs[1]->data<float>().data();
  float* out = call.outputs[0].as<float>();
  for_runs(static_cast<const BroadcastWalk&>(*call.bound),
           [&](int64_t a_at, int a_step, int64_t b_at, int b_step, int64_t at, int64_t count) {
             table.binary(Op, a + a_at, a_step, b + b_at, b_step, out + at, count, call.epilogue);
           });
  return {};
}

template <Binary Op>
constexpr Kernel row(std::string_view name, ir::OpKind op) {
  return {.provider = "native",
          .name = name,
          .op = op,
          .epilogue = true,
          .supports = all_float,
          .output_dims = broadcast_output_dims,
          .bind = bind_broadcast,
          .run = run<Op>};
}

}  // namespace

const Kernel kAddF32 = row<Binary::add>("add_f32", ir::OpKind::add);
const Kernel kSubF32 = row<Binary::sub>("sub_f32", ir::OpKind::sub);
const Kernel kMulF32 = row<Binary::mul>("mul_f32", ir::OpKind::mul);
const Kernel kDivF32 = row<Binary::div>("div_f32", ir::OpKind::div);

}  // namespace edgesmith::runtime::native
