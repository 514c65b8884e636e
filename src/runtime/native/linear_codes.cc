// SPDX-License-Identifier: Apache-2.0
// QuantizeLinear and DequantizeLinear of 8-bit codes with one scale, where a model keeps them as nodes.
#include "runtime/native/conv_common.h"
#include "runtime/native/convert_codes.h"
#include "runtime/native/kernels.h"

namespace edgesmith::runtime::native {

namespace {

bool is_code(ir::DType dtype) { return dtype == ir::DType::u8 || dtype == ir::DType::i8; }

bool one_scale(const ir::Node& node) {
  return node.input(1)->type().dtype == ir::DType::f32 && is_one_number(node.input(1)->type()) &&
         (node.input(2) == nullptr || is_one_number(node.input(2)->type())) &&
         node.attributes().get_int("block_size", 0) == 0;
}

bool supports_quantize(const ir::Node& node) {
  return node.input(0)->type().dtype == ir::DType::f32 && is_code(node.output().type().dtype) && one_scale(node);
}
bool supports_dequantize(const ir::Node& node) {
  return is_code(node.input(0)->type().dtype) && node.output().type().dtype == ir::DType::f32 && one_scale(node);
}

integer::CodeType type_of_codes(const KernelCall& call, ir::DType dtype) {
  integer::CodeType type = {.dtype = dtype, .scale = call.inputs[1]->data<float>()[0]};
  if (dtype == ir::DType::i8) type = {.dtype = dtype, .scale = type.scale, .lo = -128, .hi = 127};
  if (call.inputs.size() > 2 && call.inputs[2] != nullptr) {
    const std::byte zero = call.inputs[2]->bytes()[0];
    type.zero_point = dtype == ir::DType::i8 ? static_cast<int8_t>(zero) : static_cast<int32_t>(zero);
  }
  return type;
}

Status quantize(const KernelCall& call) {
  const ir::Tensor& x = *call.inputs[0];
  quantize_codes(call.isa, type_of_codes(call, call.node.output().type().dtype), x.dims(), x.data<float>().data(),
                 Layout::row_major, call.outputs[0].data);
  return {};
}

Status dequantize(const KernelCall& call) {
  const ir::Tensor& x = *call.inputs[0];
  dequantize_codes(call.isa, type_of_codes(call, x.dtype()), x.dims(), x.bytes().data(), Layout::row_major,
                   call.outputs[0].as<float>());
  return {};
}

std::optional<ir::Dims> output_dims(const ir::Node&, OperandDims inputs) { return *inputs[0]; }

}  // namespace

const Kernel kQuantizeLinearI8 = {.provider = "native",
                                  .name = "quantize_linear_i8",
                                  .op = ir::OpKind::quantize_linear,
                                  .supports = supports_quantize,
                                  .output_dims = output_dims,
                                  .run = quantize};
const Kernel kDequantizeLinearI8 = {.provider = "native",
                                    .name = "dequantize_linear_i8",
                                    .op = ir::OpKind::dequantize_linear,
                                    .supports = supports_dequantize,
                                    .output_dims = output_dims,
                                    .run = dequantize};

}  // namespace edgesmith::runtime::native
