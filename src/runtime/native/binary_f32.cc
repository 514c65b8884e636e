// SPDX-License-Identifier: Apache-2.0
// Add, Sub, Mul, Div, Max and Min of two float32 tensors with broadcasting.
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
  for_runs<2>(static_cast<const BroadcastWalk&>(*call.bound),
              [&](const auto& from, const auto& steps, int64_t at, int64_t count) {
                table.binary(Op, a + from[0], steps[0], b + from[1], steps[1], out + at, count, call.epilogue);
              });
  return {};
}

bool two_floats(const ir::Node& node) { return node.num_inputs() == 2 && all_float(node); }

template <Binary Op>
constexpr Kernel row(std::string_view name, ir::OpKind op) {
  return {.provider = "native",
          .name = name,
          .op = op,
          .epilogue = true,
          .supports = two_floats,
          .output_dims = broadcast_output_dims,
          .bind = bind_broadcast,
          .run = run<Op>};
}

}  // namespace

const Kernel kAddF32 = row<Binary::add>("add_f32", ir::OpKind::add);
const Kernel kSubF32 = row<Binary::sub>("sub_f32", ir::OpKind::sub);
const Kernel kMulF32 = row<Binary::mul>("mul_f32", ir::OpKind::mul);
const Kernel kDivF32 = row<Binary::div>("div_f32", ir::OpKind::div);
const Kernel kMaxF32 = row<Binary::max>("max_f32", ir::OpKind::max);
const Kernel kMinF32 = row<Binary::min>("min_f32", ir::OpKind::min);

}  // namespace edgesmith::runtime::native
