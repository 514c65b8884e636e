// SPDX-License-Identifier: Apache-2.0
// gather_gradient of float32 numbers: runs of what lies behind the axis are added where they were gathered from.
#include <algorithm>

#include "runtime/native/copies.h"
#include "runtime/native/kernels.h"
#include "runtime/native/table.h"

namespace edgesmith::runtime::native {

namespace {

bool supports(const ir::Node& node) {
  const ir::DType indices = node.input(1)->type().dtype;
  return node.input(0)->type().dtype == ir::DType::f32 && (indices == ir::DType::i64 || indices == ir::DType::i32);
}

template <typename Index>
Status scatter(const KernelCall& call) {
  const ir::Dims &dims = *call.outputs[0].dims, &from = call.inputs[0]->dims();
  const size_t axis = axis_index(call.node.attributes().get_int("axis", 0), dims.size());
  const auto indices = call.inputs[1]->data<Index>();
  if (axis >= dims.size()) return does_not_fit(call);
  int64_t outer = 1, inner = 1;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (i != axis) (i < axis ? outer : inner) *= dims[i];
  }
  if (outer * inner * static_cast<int64_t>(indices.size()) != ir::num_elements(from)) return does_not_fit(call);
  const NativeTable& table = native_table(call.isa);
  const float* in = call.inputs[0]->data<float>().data();
  float* out = call.outputs[0].as<float>();
  std::fill_n(out, outer * dims[axis] * inner, 0.0F);
  for (int64_t o = 0; o < outer; ++o, out += dims[axis] * inner) {
    for (const Index index : indices) {
      const int64_t at = index < 0 ? index + dims[axis] : index;
      if (at < 0 || at >= dims[axis]) {
        return invalid_error("index " + std::to_string(index) + " is out of range for size " +
                             std::to_string(dims[axis]));
      }
      if (inner == 1) {
        out[at] += *in++;
      } else {
        table.add_into(in, out + at * inner, inner);
        in += inner;
      }
    }
  }
  return {};
}

Status run(const KernelCall& call) {
  return call.inputs[1]->dtype() == ir::DType::i64 ? scatter<int64_t>(call) : scatter<int32_t>(call);
}

}  // namespace

const Kernel kGatherGradientF32 = {.provider = "native",
                                   .name = "gather_gradient_f32",
                                   .op = ir::OpKind::gather_gradient,
                                   .supports = supports,
                                   .run = run};

}  // namespace edgesmith::runtime::native
