// SPDX-License-Identifier: Apache-2.0
// Functions of one float32 tensor, element by element.
#include <limits>

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

// Where it is no view: its result has an annotation that the operand has not.
Status run_identity(const KernelCall& call) {
  const auto in = call.inputs[0]->data<float>();
  native_table(call.isa).apply_epilogue(call.epilogue, in.data(), call.outputs[0].as<float>(),
                                        static_cast<int64_t>(in.size()));
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

Status run_function(const KernelCall& call, Unary op, float alpha) {
  const auto in = call.inputs[0]->data<float>();
  native_table(call.isa).unary(op, in.data(), alpha, call.outputs[0].as<float>(), static_cast<int64_t>(in.size()),
                               call.epilogue);
  return {};
}

template <Unary Op>
Status run_plain(const KernelCall& call) {
  return run_function(call, Op, 0);
}

Status run_neg(const KernelCall& call) { return run_function(call, Unary::scale, -1); }

Status run_elu(const KernelCall& call) {
  return run_function(call, Unary::elu, call.node.attributes().get_float("alpha", 1.0F));
}

Status run_gelu(const KernelCall& call) {
  const ir::Attribute* attribute = call.node.attributes().find("approximate");
  const auto* word = attribute == nullptr ? nullptr : std::get_if<std::string>(attribute);
  return run_function(call, word != nullptr && *word == "tanh" ? Unary::gelu_by_tanh : Unary::gelu, 0);
}

// The exponent of a Pow where it is one constant number, else not-a-number.
float exponent_of(const ir::Node& node) {
  const ir::Tensor* exponent = node.input(1)->constant();
  const bool one = exponent != nullptr && exponent->size() == 1 && exponent->rank() <= node.input(0)->type().rank();
  return one ? exponent->to_floats()[0] : std::numeric_limits<float>::quiet_NaN();
}

bool is_small_power(const ir::Node& node) {
  if (node.input(0)->type().dtype != ir::DType::f32 || node.output().type().dtype != ir::DType::f32) return false;
  const float exponent = exponent_of(node);
  return exponent == 2.0F || exponent == 0.5F;
}

// Whether a Pow is a square.
struct PreparedPower : Prepared {
  bool square = false;
};

Result<std::shared_ptr<const Prepared>> prepare_pow(const ir::Node& node, std::span<const ir::Tensor* const>, Isa) {
  auto prepared = std::make_shared<PreparedPower>();
  prepared->square = exponent_of(node) == 2.0F;
  return std::shared_ptr<const Prepared>(std::move(prepared));
}

Status run_pow(const KernelCall& call) {
  const bool square = static_cast<const PreparedPower&>(*call.prepared).square;
  return run_function(call, square ? Unary::square : Unary::square_root, 0);
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

const Kernel kIdentityF32 = row("identity_f32", ir::OpKind::identity, run_identity);
const Kernel kCastF32 = row("cast_f32", ir::OpKind::cast, run_identity);  // of graphs whose halves are widened
const Kernel kReluF32 = row("relu_f32", ir::OpKind::relu, run_relu);
const Kernel kClipF32 = row("clip_f32", ir::OpKind::clip, run_clip);
const Kernel kLeakyReluF32 = row("leaky_relu_f32", ir::OpKind::leaky_relu, run_leaky_relu);
const Kernel kHardSigmoidF32 = row("hard_sigmoid_f32", ir::OpKind::hard_sigmoid, run_hard_sigmoid);
const Kernel kHardSwishF32 = row("hard_swish_f32", ir::OpKind::hard_swish, run_hard_swish);
const Kernel kExpF32 = row("exp_f32", ir::OpKind::exp, run_plain<Unary::exp>);
const Kernel kLogF32 = row("log_f32", ir::OpKind::log, run_plain<Unary::log>);
const Kernel kSigmoidF32 = row("sigmoid_f32", ir::OpKind::sigmoid, run_plain<Unary::sigmoid>);
const Kernel kTanhF32 = row("tanh_f32", ir::OpKind::tanh, run_plain<Unary::tanh>);
const Kernel kErfF32 = row("erf_f32", ir::OpKind::erf, run_plain<Unary::erf>);
const Kernel kSqrtF32 = row("sqrt_f32", ir::OpKind::sqrt, run_plain<Unary::square_root>);
const Kernel kReciprocalF32 = row("reciprocal_f32", ir::OpKind::reciprocal, run_plain<Unary::reciprocal>);
const Kernel kAbsF32 = row("abs_f32", ir::OpKind::abs, run_plain<Unary::magnitude>);
const Kernel kNegF32 = row("neg_f32", ir::OpKind::neg, run_neg);
const Kernel kEluF32 = row("elu_f32", ir::OpKind::elu, run_elu);
const Kernel kGeluF32 = row("gelu_f32", ir::OpKind::gelu, run_gelu);
const Kernel kPowF32 = {.provider = "native",
                        .name = "pow_f32",
                        .op = ir::OpKind::pow,
                        .epilogue = true,
                        .supports = is_small_power,
                        .prepare = prepare_pow,
                        .output_dims = output_dims,
                        .run = run_pow};

}  // namespace edgesmith::runtime::native
