// SPDX-License-Identifier: Apache-2.0
// Gather of float32 numbers along one axis: runs of what lies behind the axis are copied.
#include <algorithm>

#include "runtime/native/copies.h"
#include "runtime/native/kernels.h"

namespace edgesmith::runtime::native {

namespace {

bool supports(const ir::Node& node) {
  const ir::DType indices = node.input(1)->type().dtype;
  return node.input(0)->type().dtype == ir::DType::f32 && (indices == ir::DType::i64 || indices == ir::DType::i32);
}

template <typename Index>
Status gather(const KernelCall& call, size_t axis) {
  const ir::Dims& dims = call.inputs[0]->dims();
  int64_t outer = 1, inner = 1;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (i != axis) (i < axis ? outer : inner) *= dims[i];
  }
  const auto indices = call.inputs[1]->data<Index>();
  const float* in = call.inputs[0]->data<float>().data();
  float* out = call.outputs[0].as<float>();
  if (outer * inner * static_cast<int64_t>(indices.size()) != ir::num_elements(*call.outputs[0].dims)) {
    return does_not_fit(call);
  }
  for (int64_t o = 0; o < outer; ++o, in += dims[axis] * inner) {
    for (const Index index : indices) {
      const int64_t at = index < 0 ? index + dims[axis] : index;
      if (at < 0 || at >= dims[axis]) {
        return invalid_error("index " + std::to_string(index) + " of " + std::to_string(dims[axis]) + " entries");
      }
      out = std::copy_n(in + at * inner, inner, out);
    }
  }
  return {};
}

Status run(const KernelCall& call) {
  const size_t rank = call.inputs[0]->dims().size();
  const size_t axis = axis_index(call.node.attributes().get_int("axis", 0), rank);
  if (axis >= rank) return does_not_fit(call);
  return call.inputs[1]->dtype() == ir::DType::i64 ? gather<int64_t>(call, axis) : gather<int32_t>(call, axis);
}

}  // namespace

const Kernel kGatherF32 = {
    .provider = "native", .name = "gather_f32", .op = ir::OpKind::gather, .supports = supports, .run = run};

}  // namespace edgesmith::runtime::native
