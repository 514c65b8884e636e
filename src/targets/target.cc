// SPDX-License-Identifier: Apache-2.0
// The target table. What ONNX Runtime's CPU provider computes on integers was read off its optimized models (versions
// 1.30 and 1.32, x86-64): one operator between Q/DQ nodes, saved with graph_optimization_level = extended.
#include "edgesmith/targets/target.h"

#include <algorithm>
#include <array>

namespace edgesmith::targets {
namespace {

using ir::OpKind;

// Not here although they have Q/DQ forms elsewhere: Sub, Div, Tanh, HardSwish, HardSigmoid, Gelu, Erf, Sqrt, Max,
// ReduceMean, Pad, linear Resize, ConvTranspose, PRelu, GlobalMaxPool. ONNX Runtime computes those on floats.
constexpr std::array kOrtIntegerOps = {
    OpKind::add,
    OpKind::average_pool,
    OpKind::clip,
    OpKind::concat,
    OpKind::conv,
    OpKind::depth_to_space,
    OpKind::expand,
    OpKind::flatten,
    OpKind::gather,
    OpKind::gemm,
    OpKind::global_average_pool,
    OpKind::leaky_relu,
    OpKind::mat_mul,
    OpKind::max_pool,
    OpKind::mul,
    OpKind::reduce_max,
    OpKind::reduce_min,
    OpKind::relu,
    OpKind::reshape,
    OpKind::resize,
    OpKind::sigmoid,
    OpKind::slice,
    OpKind::softmax,
    OpKind::split,
    OpKind::squeeze,
    OpKind::tile,
    OpKind::transpose,
    OpKind::unsqueeze,
};

// Signed activations lose the integer form on x86 wherever a value has two readers, so both rows use unsigned ones.
constexpr std::array<Target, 2> kTargets = {{
    {.name = "ort-x86",
     .summary = "ONNX Runtime on any x86-64 CPU: weights bounded so that 16-bit pair sums never saturate",
     .activation_dtype = ir::DType::u8,
     .weight_dtype = ir::DType::i8,
     .pair_rule = PairRule::pairs_to_128,
     .integer_ops = kOrtIntegerOps},
    {.name = "ort-x86-vnni",
     .summary = "ONNX Runtime on x86-64 with VNNI (exact sums): full-range weights",
     .activation_dtype = ir::DType::u8,
     .weight_dtype = ir::DType::i8,
     .pair_rule = PairRule::none,
     .integer_ops = kOrtIntegerOps},
}};

}  // namespace

bool Target::runs_integer(ir::OpKind op) const {
  return std::find(integer_ops.begin(), integer_ops.end(), op) != integer_ops.end();
}

std::span<const Target> all_targets() { return kTargets; }

const Target* find_target(std::string_view name) {
  for (const Target& target : kTargets) {
    if (target.name == name) return &target;
  }
  return nullptr;
}

}  // namespace edgesmith::targets
