// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "onnx/forms/forms.h"

namespace edgesmith::onnx::forms {

std::optional<std::vector<int64_t>> constant_ints(const ir::Node& node, int index) {
  const ir::Value* value = node.input(index);
  const ir::Tensor* tensor = value != nullptr ? value->constant() : nullptr;
  if (tensor == nullptr || !ir::is_integer(tensor->dtype())) return std::nullopt;
  return tensor->to_int64s();
}

void ints_to_input(RaisedNode& node, RaiseContext& context, std::string_view name, size_t index) {
  if (!node.attributes.has(name)) return;
  const ir::Ints values = node.attributes.get_ints(name);
  node.attributes.erase(name);
  node.set_input(index, context.constant(ir::Tensor::of<int64_t>({static_cast<int64_t>(values.size())}, values)));
}

void trim(LoweredNode& node) {
  while (!node.inputs.empty() && node.inputs.back().empty()) node.inputs.pop_back();
}

ir::Tensor float_scalar(ir::DType dtype, float value) {
  if (dtype == ir::DType::f64) return ir::Tensor::scalar<double>(value);
  if (dtype == ir::DType::f16 || dtype == ir::DType::bf16) {
    const uint16_t bits = dtype == ir::DType::f16 ? ir::float_to_half(value) : ir::float_to_bfloat16(value);
    ir::Tensor tensor = ir::Tensor::zeros(dtype, {});
    const auto bytes = tensor.mutable_bytes();
    bytes[0] = static_cast<std::byte>(bits & 0xff);
    bytes[1] = static_cast<std::byte>(bits >> 8);
    return tensor;
  }
  return ir::Tensor::scalar<float>(value);
}

}  // namespace edgesmith::onnx::forms
