// SPDX-License-Identifier: Apache-2.0
// The gradient of a Relu: what passes where its result is above zero. It takes the Where that fuse_gate.h describes,
// whose operand 0 is then what is compared, or the mask itself where that was made.
#include "runtime/fuse_gate.h"
#include "runtime/native/kernels.h"
#include "runtime/native/table.h"

namespace edgesmith::runtime::native {

namespace {

bool supports(const ir::Node& node) { return gated_by(node) != nullptr; }

Status run(const KernelCall& call) {
  const ir::Tensor &gate = *call.inputs[0], &in = *call.inputs[1];
  if (gate.dims() != in.dims()) {
    return invalid_error("operands " + gate.type().text() + " and " + in.type().text() + " do not fit each other");
  }
  const float* from = in.data<float>().data();
  float* out = call.outputs[0].as<float>();
  const int64_t count = in.size();
  if (gate.dtype() == ir::DType::f32) {
    native_table(call.isa).gate(gate.data<float>().data(), from, out, count);
  } else {
    const std::byte* mask = gate.bytes().data();
    for (int64_t i = 0; i < count; ++i) out[i] = mask[i] != std::byte{0} ? from[i] : 0.0F;
  }
  return {};
}

}  // namespace

const Kernel kGateF32 = {
    .provider = "native", .name = "gate_f32", .op = ir::OpKind::where, .supports = supports, .run = run};

}  // namespace edgesmith::runtime::native
