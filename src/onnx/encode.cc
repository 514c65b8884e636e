// SPDX-License-Identifier: Apache-2.0
#include "onnx/encode.h"

#include "onnx/proto.h"
#include "onnx/tensor_io.h"

namespace edgesmith::onnx {
namespace {

using wire::Writer;

void put_type(Writer& out, AttributeType type) { out.integer(attribute_field::type, static_cast<int64_t>(type)); }

Writer encode_attribute(std::string_view name, const ir::Attribute& attribute) {
  Writer out;
  out.text(attribute_field::name, name);
  if (const auto* i = std::get_if<int64_t>(&attribute)) {
    out.integer(attribute_field::i, *i);
    put_type(out, AttributeType::integer);
  } else if (const auto* f = std::get_if<float>(&attribute)) {
    out.float32(attribute_field::f, *f);
    put_type(out, AttributeType::float32);
  } else if (const auto* s = std::get_if<std::string>(&attribute)) {
    out.text(attribute_field::s, *s);
    put_type(out, AttributeType::string);
  } else if (const auto* ints = std::get_if<ir::Ints>(&attribute)) {
    for (int64_t value : *ints) out.integer(attribute_field::ints, value);
    put_type(out, AttributeType::integers);
  } else if (const auto* floats = std::get_if<ir::Floats>(&attribute)) {
    for (float value : *floats) out.float32(attribute_field::floats, value);
    put_type(out, AttributeType::floats);
  } else if (const auto* strings = std::get_if<ir::Strings>(&attribute)) {
    for (const std::string& value : *strings) out.text(attribute_field::strings, value);
    put_type(out, AttributeType::strings);
  } else {
    out.message(attribute_field::t, encode_tensor(std::get<ir::Tensor>(attribute), {}));
    put_type(out, AttributeType::tensor);
  }
  return out;
}

Writer encode_dim(const ir::Dim& dim) {
  Writer out;
  if (dim.known()) out.integer(1, dim.value());
  if (dim.symbolic()) out.text(2, dim.symbol());
  return out;
}

}  // namespace

Writer encode_node(const LoweredNode& node) {
  Writer out;
  if (!node.encoded.empty()) {
    out.encoded(wire::as_bytes(node.encoded));
    return out;
  }
  for (const std::string& input : node.inputs) out.text(node_field::input, input);
  for (const std::string& output : node.outputs) out.text(node_field::output, output);
  out.optional_text(node_field::name, node.name);
  out.text(node_field::op_type, node.op);
  for (const auto& [name, attribute] : node.attributes) {
    out.message(node_field::attribute, encode_attribute(name, attribute));
  }
  out.optional_text(node_field::doc_string, node.doc);
  out.encoded(wire::as_bytes(node.extra));
  return out;
}

Writer encode_value_info(std::string_view name, const ir::Type& type) {
  Writer tensor;
  tensor.integer(1, static_cast<int64_t>(type.dtype));
  if (type.shape) {
    Writer shape;
    for (const ir::Dim& dim : *type.shape) shape.message(1, encode_dim(dim));
    tensor.message(2, std::move(shape));
  }
  Writer any, out;
  any.message(1, std::move(tensor));
  out.text(1, name);
  out.message(2, std::move(any));
  return out;
}

Writer encode_entry(std::string_view key, std::string_view value) {
  Writer out;
  out.text(1, key);
  out.text(2, value);
  return out;
}

Writer encode_opset(std::string_view domain, int64_t version) {
  Writer out;
  out.optional_text(1, domain);
  out.integer(2, version);
  return out;
}

}  // namespace edgesmith::onnx
