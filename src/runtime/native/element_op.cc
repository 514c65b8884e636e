// SPDX-License-Identifier: Apache-2.0
#include "runtime/native/element_op.h"

#include <limits>
#include <string>
#include <utility>

#include "runtime/native/kernels.h"

namespace edgesmith::runtime::native {

namespace {

using Kind = ElementOp::Kind;

constexpr std::pair<const Kernel*, Binary> kBinaryRows[] = {
    {&kAddF32, Binary::add}, {&kSubF32, Binary::sub}, {&kMulF32, Binary::mul},
    {&kDivF32, Binary::div}, {&kMaxF32, Binary::max}, {&kMinF32, Binary::min},
};

constexpr std::pair<const Kernel*, Unary> kUnaryRows[] = {
    {&kExpF32, Unary::exp},         {&kLogF32, Unary::log},
    {&kSigmoidF32, Unary::sigmoid}, {&kTanhF32, Unary::tanh},
    {&kErfF32, Unary::erf},         {&kSqrtF32, Unary::square_root},
    {&kAbsF32, Unary::magnitude},   {&kReciprocalF32, Unary::reciprocal},
};

// The bounds of a clip; nothing where one is not known.
std::optional<ElementOp> clip(const ir::Node& node, const std::function<const ir::Tensor*(int)>& constants) {
  ElementOp op = {.kind = Kind::clamp,
                  .alpha = -std::numeric_limits<float>::infinity(),
                  .beta = std::numeric_limits<float>::infinity()};
  for (int i = 1; i < node.num_inputs() && i < 3; ++i) {
    if (node.input(i) == nullptr) continue;
    const ir::Tensor* bound = constants(i);
    if (bound == nullptr || bound->size() != 1 || bound->dtype() != ir::DType::f32) return std::nullopt;
    (i == 1 ? op.alpha : op.beta) = bound->data<float>()[0];
  }
  return op;
}

// A Pow by 2 or by 0.5.
std::optional<ElementOp> power(const std::function<const ir::Tensor*(int)>& constants) {
  const ir::Tensor* exponent = constants(1);
  if (exponent == nullptr || exponent->size() != 1) return std::nullopt;
  const float number = exponent->to_floats()[0];
  if (number != 2.0F && number != 0.5F) return std::nullopt;
  return ElementOp{.unary = number == 2.0F ? Unary::square : Unary::square_root};
}

}  // namespace

void ElementOp::run(const NativeTable& table, const std::array<const float*, 2>& operands,
                    const std::array<int, 2>& steps, float* out, int64_t count, const Epilogue& epilogue) const {
  const float* in = operands[0];
  switch (kind) {
    case Kind::binary: return table.binary(binary, in, steps[0], operands[1], steps[1], out, count, epilogue);
    case Kind::unary: return table.unary(unary, in, alpha, out, count, epilogue);
    case Kind::clamp: {
      Epilogue clamp = epilogue.clamp ? Epilogue{} : epilogue;
      clamp.clamp = true;
      clamp.lo = alpha;
      clamp.hi = beta;
      table.apply_epilogue(clamp, in, out, count);
      if (!epilogue.clamp) return;
      break;
    }
    case Kind::leaky_relu: table.leaky_relu(in, alpha, out, count); break;
    case Kind::hard_sigmoid: table.hard_sigmoid(in, alpha, beta, false, out, count); break;
    case Kind::hard_swish: table.hard_sigmoid(in, alpha, beta, true, out, count); break;
  }
  if (!epilogue.empty()) table.apply_epilogue(epilogue, out, out, count);
}

std::optional<ElementOp> element_op(const Kernel& kernel, const ir::Node& node,
                                    const std::function<const ir::Tensor*(int)>& constants) {
  for (const auto& [row, op] : kBinaryRows) {
    if (row == &kernel) return ElementOp{.kind = Kind::binary, .binary = op};
  }
  for (const auto& [row, op] : kUnaryRows) {
    if (row == &kernel) return ElementOp{.unary = op};
  }
  const ir::Attributes& attributes = node.attributes();
  if (&kernel == &kReluF32) {
    return ElementOp{.kind = Kind::clamp, .alpha = 0, .beta = std::numeric_limits<float>::infinity()};
  }
  if (&kernel == &kClipF32) return clip(node, constants);
  if (&kernel == &kPowF32) return power(constants);
  if (&kernel == &kNegF32) return ElementOp{.unary = Unary::scale, .alpha = -1};
  if (&kernel == &kEluF32) return ElementOp{.unary = Unary::elu, .alpha = attributes.get_float("alpha", 1.0F)};
  if (&kernel == &kGeluF32) {
    const bool by_tanh = attributes.get_string("approximate", "none") == "tanh";
    return ElementOp{.unary = by_tanh ? Unary::gelu_by_tanh : Unary::gelu};
  }
  if (&kernel == &kLeakyReluF32) {
    return ElementOp{.kind = Kind::leaky_relu, .alpha = attributes.get_float("alpha", 0.01F)};
  }
  if (&kernel == &kHardSigmoidF32) {
    return ElementOp{.kind = Kind::hard_sigmoid,
                     .alpha = attributes.get_float("alpha", 0.2F),
                     .beta = attributes.get_float("beta", 0.5F)};
  }
  if (&kernel == &kHardSwishF32) return ElementOp{.kind = Kind::hard_swish, .alpha = 1.0F / 6.0F, .beta = 0.5F};
  return std::nullopt;
}

}  // namespace edgesmith::runtime::native
