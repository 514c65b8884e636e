// SPDX-License-Identifier: Apache-2.0
#include "onnx/import_node.h"

#include <algorithm>
#include <cstring>

#include "onnx/tensor_io.h"

namespace edgesmith::onnx {
namespace {

using wire::Field;
using wire::Reader;
using wire::WireType;

/// Letter of an attribute type in FormRow::attributes, or 0.
char kind_letter(AttributeType type) {
  switch (type) {
    case AttributeType::float32: return 'f';
    case AttributeType::integer: return 'i';
    case AttributeType::string: return 's';
    case AttributeType::tensor: return 't';
    case AttributeType::floats: return 'F';
    case AttributeType::integers: return 'I';
    case AttributeType::strings: return 'S';
    case AttributeType::undefined:
    case AttributeType::graph:
    case AttributeType::tensors:
    case AttributeType::graphs:
    case AttributeType::sparse_tensor:
    case AttributeType::sparse_tensors:
    case AttributeType::type_proto:
    case AttributeType::type_protos: return 0;
  }
  return 0;
}

bool row_has(const FormRow& row, std::string_view name, char kind) {
  const std::string wanted = std::string(name) + ":" + kind;
  std::string_view rest = row.attributes;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find(' '), rest.size());
    if (rest.substr(0, end) == wanted) return true;
    rest = rest.substr(std::min(end + 1, rest.size()));
  }
  return false;
}

Status append_floats(const Field& field, ir::Floats& out) {
  if (field.type == WireType::fixed32) {
    out.push_back(field.float32());
    return {};
  }
  if (field.type != WireType::bytes || field.bytes.size() % 4 != 0) return invalid_error("malformed list of floats");
  const size_t before = out.size();
  out.resize(before + field.bytes.size() / 4);
  for (size_t i = before; i < out.size(); ++i) {
    uint32_t bits = 0;
    for (size_t b = 0; b < 4; ++b) bits |= std::to_integer<uint32_t>(field.bytes[(i - before) * 4 + b]) << (8 * b);
    std::memcpy(&out[i], &bits, 4);
  }
  return {};
}

struct RawAttribute {
  int64_t i = 0;
  float f = 0;
  std::string s;
  ir::Ints ints;
  ir::Floats floats;
  ir::Strings strings;
  std::optional<TensorView> tensor;
  std::optional<SparseTensorView> sparse;
};

Status read_field(const Field& field, RawAttribute& out) {
  switch (field.number) {
    case attribute_field::f: out.f = field.float32(); return {};
    case attribute_field::i: out.i = field.integer(); return {};
    case attribute_field::s: out.s = field.text(); return {};
    case attribute_field::strings: out.strings.emplace_back(field.text()); return {};
    case attribute_field::floats: return append_floats(field, out.floats);
    case attribute_field::ints:
      return wire::append_integers(field, out.ints) ? Status() : invalid_error("malformed list of integers");
    case attribute_field::t: {
      auto tensor = parse_tensor(field.message());
      if (!tensor) return tensor.error();
      out.tensor = *std::move(tensor);
      return {};
    }
    case attribute_field::sparse_tensor: {
      auto sparse = parse_sparse_tensor(field.message());
      if (!sparse) return sparse.error();
      out.sparse = *std::move(sparse);
      return {};
    }
    default: return {};
  }
}

Result<RawAttribute> read_attribute(const AttributeView& view) {
  RawAttribute out;
  Reader reader(view.message);
  Field field;
  while (reader.next(field)) EDGESMITH_TRY(read_field(field, out));
  EDGESMITH_TRY(reader.status());
  return out;
}

Result<ir::Tensor> attribute_tensor(const RawAttribute& raw, const ImportSource& source) {
  if (!raw.tensor) return invalid_error("has no tensor in it");
  return decode_tensor(*raw.tensor, source.owner, source.files);
}

Result<ir::Attribute> decode_attribute(const AttributeView& view, const ImportSource& source) {
  auto raw = read_attribute(view);
  if (!raw) return raw.error();
  switch (kind_letter(view.type)) {
    case 'f': return ir::Attribute(raw->f);
    case 'i': return ir::Attribute(raw->i);
    case 's': return ir::Attribute(std::move(raw->s));
    case 'F': return ir::Attribute(std::move(raw->floats));
    case 'I': return ir::Attribute(std::move(raw->ints));
    case 'S': return ir::Attribute(std::move(raw->strings));
    case 't': {
      auto tensor = attribute_tensor(*raw, source);
      if (!tensor) return tensor.error();
      return ir::Attribute(*std::move(tensor));
    }
    default: return unsupported_error("is of a kind that is not known here");
  }
}

}  // namespace

Result<ir::Attributes> decode_attributes(const NodeView& node, const FormRow& row, const ImportSource& source) {
  ir::Attributes attributes;
  for (const AttributeView& view : node.attributes) {
    const std::string label = "attribute '" + std::string(view.name) + "'";
    const char kind = kind_letter(view.type);
    if (!view.reference.empty() || kind == 0 || !row_has(row, view.name, kind))
      return unsupported_error(label + " is not known");
    if (attributes.has(view.name)) return invalid_error(label + " is given twice");
    auto attribute = decode_attribute(view, source);
    if (!attribute) return attribute.error().in(label);
    attributes.set(view.name, *std::move(attribute));
  }
  return attributes;
}

Result<ir::Tensor> decode_constant(const NodeView& node, const ImportSource& source) {
  if (node.attributes.size() != 1 || !node.attributes[0].reference.empty()) {
    return unsupported_error("needs exactly one attribute");
  }
  const AttributeView& view = node.attributes[0];
  auto raw = read_attribute(view);
  if (!raw) return raw.error();
  const auto length = [](const auto& list) { return static_cast<int64_t>(list.size()); };
  if (view.name == "value") return attribute_tensor(*raw, source);
  if (view.name == "value_float") return ir::Tensor::scalar(raw->f);
  if (view.name == "value_int") return ir::Tensor::scalar(raw->i);
  if (view.name == "value_string") return ir::Tensor::strings({}, {raw->s});
  if (view.name == "value_floats") return ir::Tensor::of<float>({length(raw->floats)}, raw->floats);
  if (view.name == "value_ints") return ir::Tensor::of<int64_t>({length(raw->ints)}, raw->ints);
  if (view.name == "value_strings") return ir::Tensor::strings({length(raw->strings)}, raw->strings);
  if (view.name == "sparse_value" && raw->sparse) return decode_sparse(*raw->sparse, source.owner, source.files);
  return unsupported_error("attribute '" + std::string(view.name) + "' is not known");
}

ir::DType early_dtype(const ir::Node& node, int index, const std::vector<ir::DType>& inputs) {
  using ir::OpKind;
  const auto input = [&](size_t i) { return i < inputs.size() ? inputs[i] : ir::DType::undefined; };
  const auto any_of = [&](std::initializer_list<OpKind> ops) {
    return std::find(ops.begin(), ops.end(), node.op()) != ops.end();
  };
  if (node.is(OpKind::cast)) return static_cast<ir::DType>(node.attributes().get_int("to", 0));
  if (any_of({OpKind::shape, OpKind::arg_max, OpKind::arg_min})) return ir::DType::i64;
  if (any_of({OpKind::equal, OpKind::greater, OpKind::greater_or_equal, OpKind::less, OpKind::less_or_equal})) {
    return ir::DType::boolean;
  }
  if (any_of({OpKind::where, OpKind::dequantize_linear})) return input(1);
  if (node.is(OpKind::quantize_linear)) return input(2) != ir::DType::undefined ? input(2) : ir::DType::u8;
  if (node.is(OpKind::max_pool) && index > 0) return ir::DType::i64;
  if (node.is(OpKind::constant_of_shape)) {
    const ir::Attribute* value = node.attributes().find("value");
    const ir::Tensor* tensor = value != nullptr ? std::get_if<ir::Tensor>(value) : nullptr;
    return tensor != nullptr ? tensor->dtype() : ir::DType::f32;
  }
  return input(0);
}

}  // namespace edgesmith::onnx
