// SPDX-License-Identifier: Apache-2.0
#include "ops/dispatch.h"

#include <cstring>

namespace edgesmith::ops {
namespace {

bool is_half(ir::DType dtype) { return dtype == ir::DType::f16 || dtype == ir::DType::bf16; }

}  // namespace

ir::Tensor widen_half(const ir::Tensor& tensor) { return ir::Tensor::of<float>(tensor.dims(), tensor.to_floats()); }

ir::Tensor round_to_half(const ir::Tensor& tensor, ir::DType half) {
  ir::Tensor out = ir::Tensor::zeros(half, tensor.dims());
  const auto from = tensor.data<float>();
  const auto to = out.mutable_bytes();
  for (size_t i = 0; i < from.size(); ++i) {
    const uint16_t bits = half == ir::DType::f16 ? ir::float_to_half(from[i]) : ir::float_to_bfloat16(from[i]);
    std::memcpy(to.data() + 2 * i, &bits, 2);
  }
  return out;
}

Result<std::vector<ir::Tensor>> evaluate_half_as_float(Evaluation evaluation, const ir::Node& node,
                                                       std::span<const ir::Tensor* const> inputs) {
  ir::DType first = ir::DType::undefined;  // of the floats
  bool any_half = false;
  std::vector<ir::Tensor> widened(inputs.size());
  std::vector<const ir::Tensor*> operands(inputs.begin(), inputs.end());
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i] == nullptr) continue;
    if (first == ir::DType::undefined && ir::is_float(inputs[i]->dtype())) first = inputs[i]->dtype();
    if (!is_half(inputs[i]->dtype())) continue;
    any_half = true;
    widened[i] = widen_half(*inputs[i]);
    operands[i] = &widened[i];
  }
  if (!any_half) return evaluation(node, inputs);
  auto outputs = evaluation(node, operands);
  if (!outputs || !is_half(first)) return outputs;
  for (ir::Tensor& output : *outputs) {
    if (output.dtype() == ir::DType::f32) output = round_to_half(output, first);
  }
  return outputs;
}

}  // namespace edgesmith::ops
