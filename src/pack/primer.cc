// SPDX-License-Identifier: Apache-2.0
#include "pack/primer.h"

#include <string_view>

#include "onnx/proto.h"

namespace edgesmith::pack {
namespace {

using onnx::wire::Writer;

/// "Op attribute:ints attribute=int attribute.float attribute'string ..."
constexpr std::string_view kOps[] = {
    "MatMul",
    "Add",
    "Mul",
    "Sub",
    "Div",
    "Relu",
    "Sigmoid",
    "Tanh",
    "Erf",
    "Sqrt",
    "Pow",
    "Exp",
    "Identity",
    "Shape",
    "Where",
    "Equal",
    "Expand",
    "Tile",
    "Resize coordinate_transformation_mode'asymmetric mode'nearest nearest_mode'floor",
    "Constant",
    "ConstantOfShape",
    "Cast to=1",
    "Clip",
    "Slice",
    "Pad mode'constant",
    "Reshape",
    "Unsqueeze axes:1",
    "Squeeze axes:1",
    "Split axis=1",
    "Gather axis=0",
    "Transpose perm:4",
    "Flatten axis=1",
    "Concat axis=1",
    "Softmax axis=1",
    "ReduceMean axes:2 keepdims=1",
    "LayerNormalization axis=1 epsilon.1",
    "BatchNormalization epsilon.1 momentum.1",
    "GlobalAveragePool",
    "AveragePool ceil_mode=0 count_include_pad=1 kernel_shape:2 pads:4 strides:2",
    "MaxPool ceil_mode=0 dilations:2 kernel_shape:2 pads:4 strides:2",
    "HardSigmoid alpha.1 beta.1",
    "HardSwish",
    "LeakyRelu alpha.1",
    "ConvTranspose dilations:2 group=1 kernel_shape:2 output_padding:2 pads:4 strides:2",
    "If then_branch else_branch",
    "Loop body",
    "LSTM direction'forward hidden_size=64",
    "GRU direction'forward hidden_size=64 linear_before_reset=1",
    "DynamicQuantizeLinear",
    "MatMulInteger",
    "QLinearConv",
    "QLinearMatMul",
    "QLinearAdd domain com.microsoft",
    "Gemm alpha.1 beta.1 transA=0 transB=1",
    "QuantizeLinear axis=0",
    "DequantizeLinear axis=0",
    "Conv auto_pad'NOTSET dilations:2 group=1 kernel_shape:2 pads:4 strides:2",
    "Conv dilations:2 group=1 kernel_shape:2 pads:4 strides:2",
};

Writer attribute(std::string_view text) {
  namespace field = onnx::attribute_field;
  Writer out;
  const size_t at = text.find_first_of(":=.'");
  const std::string_view name = text.substr(0, at), value = at < text.size() ? text.substr(at + 1) : "";
  out.text(field::name, name);
  const char kind = at < text.size() ? text[at] : ' ';
  uint64_t number = 0;
  for (const char c : value) number = number * 10 + static_cast<uint64_t>(c - '0');
  if (kind == ':') {
    for (uint64_t i = 0; i < number; ++i) out.varint(field::ints, 1);
    out.varint(field::type, 7);
  } else if (kind == '=') {
    out.varint(field::i, number);
    out.varint(field::type, 2);
  } else if (kind == '.') {
    out.float32(field::f, 1);
    out.varint(field::type, 1);
  } else if (kind == '\'') {
    out.text(field::s, value);
    out.varint(field::type, 3);
  }
  return out;
}

Writer node(std::string_view op) {
  namespace field = onnx::node_field;
  Writer out;
  const size_t at = std::min(op.find(' '), op.size());
  const std::string name(op.substr(0, at));
  out.text(field::input, "input");
  out.text(field::input, "conv1.weight");
  out.text(field::input, "conv1.bias");
  out.text(field::output, "/" + name + "_output_0");
  out.text(field::name, "/" + name);
  out.text(field::op_type, name);
  std::string_view rest = op.substr(at);
  while (!rest.empty()) {
    rest.remove_prefix(1);
    const size_t end = std::min(rest.find(' '), rest.size());
    out.message(field::attribute, attribute(rest.substr(0, end)));
    rest.remove_prefix(end);
  }
  return out;
}

Writer value(std::string_view name) {
  Writer first, second, shape, tensor, type, out;
  first.text(2, "batch");
  second.varint(1, 3);
  shape.message(1, std::move(first));
  shape.message(1, std::move(second));
  tensor.varint(1, 1);
  tensor.message(2, std::move(shape));
  type.message(1, std::move(tensor));
  out.text(1, name);
  out.message(2, std::move(type));
  return out;
}

}  // namespace

std::string primer() {
  Writer graph, opset, out;
  for (const std::string_view op : kOps) graph.message(onnx::graph_field::node, node(op));
  graph.text(onnx::graph_field::name, "main_graph");
  graph.message(onnx::graph_field::input, value("input"));
  graph.message(onnx::graph_field::output, value("output"));
  graph.message(onnx::graph_field::value_info, value("hidden"));
  opset.text(1, "");
  opset.varint(2, 17);
  out.varint(onnx::model_field::ir_version, 8);
  out.text(2, "pytorch");
  out.text(3, "2.0.0");
  out.message(onnx::model_field::graph, std::move(graph));
  out.message(onnx::model_field::opset_import, std::move(opset));
  Writer files;
  files.varint(onnx::model_field::ir_version, 8);
  std::string text = out.str();
  text += '\0';  // "no other files", and how most models begin
  return text + files.str();
}

}  // namespace edgesmith::pack
