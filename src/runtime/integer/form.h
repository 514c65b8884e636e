// SPDX-License-Identifier: Apache-2.0
// What a quantized node computes when it computes on codes instead of reals.
//
// A node has an integer form when its data operands and its result carry per-tensor annotations of 8 bits. The form is
// the meaning: runtime/integer/ evaluates it plainly, the kernels of runtime/native give the same codes bit for bit.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "edgesmith/ir/graph.h"
#include "edgesmith/runtime/executor.h"
#include "runtime/kernel_registry.h"

namespace edgesmith::runtime::integer {

/// Codes of a value: real = (code - zero_point) * scale. lo and hi: the codes that may occur (those of the dtype, or
/// fewer behind a clamp).
struct CodeType {
  ir::DType dtype = ir::DType::undefined;  ///< u8 or i8
  float scale = 1;
  int32_t zero_point = 0;
  int32_t lo = 0, hi = 255;
};

/// The codes that `quant` describes; nothing unless it is per tensor and of 8 bits.
std::optional<CodeType> code_type(const ir::Quant* quant);

struct Form {
  const ir::Node* node = nullptr;
  std::vector<std::optional<CodeType>> operands;  ///< by operand; empty where it is absent or carries no codes
  CodeType result;                                ///< of output 0, after the clamp that is fused into the node
  bool real_result = false;  ///< output 0 is float32 instead: sums times input scale times weight scale (gemm, mat_mul)
  Arithmetic arithmetic = Arithmetic::exact_i32;

  /// u8 * i8 products are added in pairs that saturate at 16 bits, pairs being neighbours in a weight's row with the
  /// channels innermost (as a channels-last convolution and a matrix product read them). Depthwise convolutions add
  /// exactly all the same.
  bool saturating() const { return arithmetic == Arithmetic::x86_u8s8_saturating; }
  /// Sums become codes by a fixed-point multiplier instead of a float32 one.
  bool fixed_point() const { return arithmetic == Arithmetic::tflite; }
};

/// The form of `node` followed by a clamp to [lo, hi] that makes `result` (the node's own output where nothing
/// follows); nothing when a data operand or the result carries no codes (a matrix product without a clamp may
/// give reals), or the node has several outputs.
std::optional<Form> make_form(const ir::Node& node, const ir::Value& result, float lo, float hi, Arithmetic arithmetic);

}  // namespace edgesmith::runtime::integer
