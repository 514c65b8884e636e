// SPDX-License-Identifier: Apache-2.0
// Activations of float32 tensors that need no transcendental function.
#include "runtime/native/conv_common.h"
#include "runtime/native/kernels.h"
#include "runtime/native/table.h"

namespace edgesmith::runtime::native {

namespace {

std::optional<ir::Dims> output_dims(const ir::Node&, OperandDims inputs) { return *inputs[0]; }

// Calls compute(table, in, out, count), then the epilogue.
template <typename Compute>
Status run_unary(const KernelCall& call, Compute compute) {
  const auto in = call.inputs[0]->data<float>();
  const NativeTable& table = native_table(call.isa);
  float* out = call.outputs[0].as<float>();
  const auto count = static_cast<int64_t>(in.size());
  compute(table, in.data(), out, count);
  if (!call.epilogue.empty()) table.apply_epilogue(call.epilogue, out, out, count);
  return {};
}

// The clamp, then what the call asks for: in one pass where the call has no clamp of its own.
Status run_clamp(const KernelCall& call, float lo, float hi) {
  Epilogue clamp = call.epilogue.clamp ? Epilogue{} : call.epilogue;
  clamp.clamp = true;
  clamp.lo = lo;
  clamp.hi = hi;
  const auto in = call.inputs[0]->data<float>();
  const NativeTable& table = native_table(call.isa);
  float* out = call.outputs[0].as<float>();
  const auto count = static_cast<int64_t>(in.size());
  table.apply_epilogue(clamp, in.data(), out, count);
  if (call.epilogue.clamp) table.apply_epilogue(call.epilogue, out, out, count);
  return {};
}

Status run_relu(const KernelCall& call) { return run_clamp(call, 0.0F, std::numeric_limits<float>::infinity()); }

Status run_clip(const KernelCall& call) {
  Epilogue bounds;
  for (size_t i = 1; i < call.inputs.size() && i < 3; ++i) {
    if (call.inputs[i] == nullptr) continue;
    if (call.inputs[i]->size() != 1) {
      return invalid_error("a bound of " + std::to_string(call.inputs[i]->size()) + " elements");
    }
    (i == 1 ? bounds.lo : bounds.hi) = call.inputs[i]->data<float>()[0];
  }
  return run_clamp(call, bounds.lo, bounds.hi);
}

Status run_leaky_relu(const KernelCall& call) {
  const float slope = call.node.attributes().get_float("alpha", 0.01F);
  return run_unary(call, [&](const NativeTable& table, const float* in, float* out, int64_t count) {
    table.leaky_relu(in, slope, out, count);
  });
}

Status run_hard_sigmoid(const KernelCall& call) {
  const float alpha = call.node.attributes().get_float("alpha", 0.2F);
  const float beta = call.node.attributes().get_float("beta", 0.5F);
  return run_unary(call, [&](const NativeTable& table, const float* in, float* out, int64_t count) {
    table.hard_sigmoid(in, alpha, beta, false, out, count);
  });
}

Status run_hard_swish(const KernelCall& call) {
  return run_unary(call, [&](const NativeTable& table, const float* in, float* out, int64_t count) {
    table.hard_sigmoid(in, 1.0F / 6.0F, 0.5F, true, out, count);
  });
}

constexpr Kernel row(std::string_view name, ir::OpKind op, Status (*run)(const KernelCall&)) {
  return {.provider = "native",
          .name = name,
          .op = op,
          .epilogue = true,
          .supports = all_float,
          .output_dims = output_dims,
          .run = run};
}

}  // namespace

const Kernel kReluF32 = row("relu_f32", ir::OpKind::relu, run_relu);
const Kernel kClipF32 = row("clip_f32", ir::OpKind::clip, run_clip);
const Kernel kLeakyReluF32 = row("leaky_relu_f32", ir::OpKind::leaky_relu, run_leaky_relu);
const Kernel kHardSigmoidF32 = row("hard_sigmoid_f32", ir::OpKind::hard_sigmoid, run_hard_sigmoid);
const Kernel kHardSwishF32 = row("hard_swish_f32", ir::OpKind::hard_swish, run_hard_swish);

}  // namespace edgesmith::runtime::native
