// SPDX-License-Identifier: Apache-2.0
// Masks of float32 tensors: comparisons with broadcasting, And of masks of the same dims, and Where by a mask of the
// result's dims whose other operands have them, too, or are one number.
#include "runtime/fuse_residual.h"
#include "runtime/native/broadcast_walk.h"
#include "runtime/native/conv_common.h"
#include "runtime/native/kernels.h"
#include "runtime/native/table.h"

namespace edgesmith::runtime::native {

namespace {

bool is_float(const ir::Value& value) { return value.type().dtype == ir::DType::f32; }

bool compares_floats(const ir::Node& node) { return is_float(*node.input(0)) && is_float(*node.input(1)); }

template <Comparison Op>
Status compare(const KernelCall& call) {
  const NativeTable& table = native_table(call.isa);
  const float* a = call.inputs[0]->data<float>().data();
  const float* b = call.inputs[1]->data<float>().data();
  auto* out = call.outputs[0].as<uint8_t>();
  for_runs(static_cast<const BroadcastWalk&>(*call.bound),
           [&](int64_t a_at, int a_step, int64_t b_at, int b_step, int64_t at, int64_t count) {
             table.compare(Op, a + a_at, a_step, b + b_at, b_step, out + at, count);
           });
  return {};
}

template <Comparison Op>
constexpr Kernel comparison(std::string_view name, ir::OpKind op) {
  return {.provider = "native",
          .name = name,
          .op = op,
          .supports = compares_floats,
          .output_dims = broadcast_output_dims,
          .bind = bind_broadcast,
          .run = compare<Op>};
}

Error differs(const ir::Tensor& a, const ir::Tensor& b) {
  return invalid_error("operands " + a.type().text() + " and " + b.type().text() + " do not fit each other");
}

bool joins_masks(const ir::Node& node) { return known_same_dims(node.input(0)->type(), node.input(1)->type()); }

Status run_and(const KernelCall& call) {
  if (call.inputs[0]->dims() != call.inputs[1]->dims()) return differs(*call.inputs[0], *call.inputs[1]);
  const std::byte* a = call.inputs[0]->bytes().data();
  const std::byte* b = call.inputs[1]->bytes().data();
  for (int64_t i = 0; i < call.inputs[0]->size(); ++i) call.outputs[0].data[i] = a[i] & b[i];
  return {};
}

bool selects_floats(const ir::Node& node) {
  const ir::Type& mask = node.input(0)->type();
  for (int i = 1; i < 3; ++i) {
    const ir::Type& type = node.input(i)->type();
    if (!is_float(*node.input(i)) ||
        !(known_same_dims(mask, type) || (is_one_number(type) && type.rank() <= mask.rank()))) {
      return false;
    }
  }
  return true;
}

Status select(const KernelCall& call) {
  const ir::Tensor &mask = *call.inputs[0], &a = *call.inputs[1], &b = *call.inputs[2];
  for (const ir::Tensor* one : {&a, &b}) {
    if (one->size() != 1 && one->dims() != mask.dims()) return differs(mask, *one);
  }
  native_table(call.isa).select(reinterpret_cast<const uint8_t*>(mask.bytes().data()), a.data<float>().data(),
                                a.size() == 1 ? 0 : 1, b.data<float>().data(), b.size() == 1 ? 0 : 1,
                                call.outputs[0].as<float>(), mask.size());
  return {};
}

}  // namespace

const Kernel kGreaterF32 = comparison<Comparison::greater>("greater_f32", ir::OpKind::greater);
const Kernel kGreaterOrEqualF32 =
    comparison<Comparison::greater_or_equal>("greater_or_equal_f32", ir::OpKind::greater_or_equal);
const Kernel kLessF32 = comparison<Comparison::less>("less_f32", ir::OpKind::less);
const Kernel kLessOrEqualF32 = comparison<Comparison::less_or_equal>("less_or_equal_f32", ir::OpKind::less_or_equal);
const Kernel kEqualF32 = comparison<Comparison::equal>("equal_f32", ir::OpKind::equal);
const Kernel kAnd = {
    .provider = "native", .name = "and", .op = ir::OpKind::logical_and, .supports = joins_masks, .run = run_and};
const Kernel kWhereF32 = {
    .provider = "native", .name = "where_f32", .op = ir::OpKind::where, .supports = selects_floats, .run = select};

}  // namespace edgesmith::runtime::native
