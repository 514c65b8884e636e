// SPDX-License-Identifier: Apache-2.0
#include "onnx/proto.h"

namespace edgesmith::onnx {
namespace {

using wire::Field;
using wire::Message;
using wire::Reader;
using wire::WireType;

Error malformed(const Field& field, const char* what) {
  return invalid_error("at byte " + std::to_string(field.whole.data() - field.origin) + ": malformed " + what);
}

Status parse_dimension(const Message& message, ir::Shape& shape) {
  Reader reader(message);
  Field field;
  ir::Dim dim;
  while (reader.next(field)) {
    if (field.is(1, WireType::varint)) dim = field.integer() >= 0 ? ir::Dim(field.integer()) : ir::Dim();
    if (field.is(2, WireType::bytes)) dim = field.bytes.empty() ? ir::Dim() : ir::Dim(std::string(field.text()));
  }
  shape.push_back(std::move(dim));
  return reader.status();
}

Status parse_shape(const Message& message, ir::Shape& shape) {
  Reader reader(message);
  Field field;
  while (reader.next(field)) {
    if (field.is(1, WireType::bytes)) EDGESMITH_TRY(parse_dimension(field.message(), shape));
  }
  return reader.status();
}

Status parse_tensor_type(const Message& message, ir::Type& type) {
  Reader reader(message);
  Field field;
  while (reader.next(field)) {
    if (field.is(1, WireType::varint) && field.scalar <= static_cast<uint64_t>(ir::DType::i2)) {
      type.dtype = static_cast<ir::DType>(field.scalar);
    }
    if (field.is(2, WireType::bytes)) {
      ir::Shape shape;
      EDGESMITH_TRY(parse_shape(field.message(), shape));
      type.shape = std::move(shape);
    }
  }
  return reader.status();
}

Status parse_type(const Message& message, ValueInfoView& info) {
  Reader reader(message);
  Field field;
  while (reader.next(field)) {
    if (!field.is(1, WireType::bytes)) continue;
    info.is_tensor = true;
    EDGESMITH_TRY(parse_tensor_type(field.message(), info.type));
  }
  return reader.status();
}

Result<std::pair<std::string_view, std::string_view>> parse_entry(const Message& message) {
  std::pair<std::string_view, std::string_view> entry;
  Reader reader(message);
  Field field;
  while (reader.next(field)) {
    if (field.is(1, WireType::bytes)) entry.first = field.text();
    if (field.is(2, WireType::bytes)) entry.second = field.text();
  }
  EDGESMITH_TRY(reader.status());
  return entry;
}

Result<OpsetImport> parse_opset(const Message& message) {
  OpsetImport import;
  Reader reader(message);
  Field field;
  while (reader.next(field)) {
    if (field.is(1, WireType::bytes)) import.domain = field.text();
    if (field.is(2, WireType::varint)) import.version = field.integer();
  }
  EDGESMITH_TRY(reader.status());
  return import;
}

/// The type of an attribute whose `type` field is absent (IR versions before 2), by the field that holds its value.
AttributeType type_of_field(uint32_t number) {
  switch (number) {
    case attribute_field::f: return AttributeType::float32;
    case attribute_field::i: return AttributeType::integer;
    case attribute_field::s: return AttributeType::string;
    case attribute_field::t: return AttributeType::tensor;
    case attribute_field::g: return AttributeType::graph;
    case attribute_field::floats: return AttributeType::floats;
    case attribute_field::ints: return AttributeType::integers;
    case attribute_field::strings: return AttributeType::strings;
    case attribute_field::tensors: return AttributeType::tensors;
    case attribute_field::graphs: return AttributeType::graphs;
    case attribute_field::tp: return AttributeType::type_proto;
    case attribute_field::type_protos: return AttributeType::type_protos;
    case attribute_field::sparse_tensor: return AttributeType::sparse_tensor;
    case attribute_field::sparse_tensors: return AttributeType::sparse_tensors;
    default: return AttributeType::undefined;
  }
}

Result<AttributeView> parse_attribute(const Message& message) {
  AttributeView attribute;
  attribute.message = message;
  AttributeType guess = AttributeType::undefined;
  Reader reader(message);
  Field field;
  while (reader.next(field)) {
    if (field.is(attribute_field::name, WireType::bytes)) {
      attribute.name = field.text();
    } else if (field.is(attribute_field::type, WireType::varint)) {
      attribute.type = static_cast<AttributeType>(field.scalar);
    } else if (field.is(attribute_field::ref_attr_name, WireType::bytes)) {
      attribute.reference = field.text();
    } else if (guess == AttributeType::undefined) {
      guess = type_of_field(field.number);
    }
  }
  EDGESMITH_TRY(reader.status());
  if (attribute.type == AttributeType::undefined) attribute.type = guess;
  return attribute;
}

}  // namespace

Result<NodeView> parse_node(const Message& message) {
  NodeView node;
  node.message = message;
  Reader reader(message);
  Field field;
  while (reader.next(field)) {
    const bool bytes = field.type == WireType::bytes;
    if (bytes && field.number == node_field::input) {
      node.inputs.push_back(field.text());
    } else if (bytes && field.number == node_field::output) {
      node.outputs.push_back(field.text());
    } else if (bytes && field.number == node_field::name) {
      node.name = field.text();
    } else if (bytes && field.number == node_field::op_type) {
      node.op_type = field.text();
    } else if (bytes && field.number == node_field::doc_string) {
      node.doc = field.text();
    } else if (bytes && field.number == node_field::domain) {
      node.domain = canonical_domain(field.text());
    } else if (bytes && field.number == node_field::attribute) {
      auto attribute = parse_attribute(field.message());
      if (!attribute) return attribute.error();
      node.attributes.push_back(*std::move(attribute));
    } else {
      if (bytes && field.number == node_field::overload) node.overload = field.text();
      node.extra.append(wire::as_text(field.whole));
    }
  }
  EDGESMITH_TRY(reader.status());
  return node;
}

Result<TensorView> parse_tensor(const Message& message) {
  TensorView tensor;
  tensor.message = message;
  Reader reader(message);
  Field field;
  while (reader.next(field)) {
    switch (field.number) {
      case tensor_field::dims:
        if (!wire::append_integers(field, tensor.dims)) return malformed(field, "dims of a tensor");
        break;
      case tensor_field::data_type: tensor.data_type = field.integer(); break;
      case tensor_field::segment: tensor.segmented = true; break;
      case tensor_field::name: tensor.name = field.text(); break;
      case tensor_field::raw_data:
        if (field.type != WireType::bytes) return malformed(field, "raw_data");
        tensor.raw_data = field.bytes;
        tensor.has_raw = true;
        break;
      case tensor_field::external_data: {
        auto entry = parse_entry(field.message());
        if (!entry) return entry.error();
        tensor.external_data.push_back({entry->first, entry->second});
        break;
      }
      case tensor_field::data_location: tensor.external = field.scalar == 1; break;
      case tensor_field::float_data:
      case tensor_field::int32_data:
      case tensor_field::string_data:
      case tensor_field::int64_data:
      case tensor_field::double_data:
      case tensor_field::uint64_data: break;  // decoded from `message` when wanted
      default: tensor.extra.append(wire::as_text(field.whole));
    }
  }
  EDGESMITH_TRY(reader.status());
  return tensor;
}

Result<SparseTensorView> parse_sparse_tensor(const Message& message) {
  SparseTensorView sparse;
  Reader reader(message);
  Field field;
  while (reader.next(field)) {
    if (field.is(1, WireType::bytes) || field.is(2, WireType::bytes)) {
      auto part = parse_tensor(field.message());
      if (!part) return part.error();
      (field.number == 1 ? sparse.values : sparse.indices) = *std::move(part);
    } else if (field.number == 3 && !wire::append_integers(field, sparse.dims)) {
      return malformed(field, "dims of a sparse tensor");
    }
  }
  EDGESMITH_TRY(reader.status());
  return sparse;
}

Result<ValueInfoView> parse_value_info(const Message& message) {
  ValueInfoView info;
  info.message = message;
  Reader reader(message);
  Field field;
  while (reader.next(field)) {
    if (field.is(1, WireType::bytes)) info.name = field.text();
    if (field.is(2, WireType::bytes)) EDGESMITH_TRY(parse_type(field.message(), info));
  }
  EDGESMITH_TRY(reader.status());
  return info;
}

namespace {

/// Parses one submessage with `parse` and appends it to `list`.
template <typename T>
Status append(std::vector<T>& list, const Field& field, Result<T> (*parse)(const Message&)) {
  auto item = parse(field.message());
  if (!item) return item.error();
  list.push_back(*std::move(item));
  return {};
}

Status parse_graph_field(const Field& field, GraphView& graph) {
  switch (field.number) {
    case graph_field::node: return append(graph.nodes, field, parse_node);
    case graph_field::initializer: return append(graph.initializers, field, parse_tensor);
    case graph_field::sparse_initializer: return append(graph.sparse_initializers, field, parse_sparse_tensor);
    case graph_field::input: return append(graph.inputs, field, parse_value_info);
    case graph_field::output: return append(graph.outputs, field, parse_value_info);
    case graph_field::value_info: return append(graph.value_infos, field, parse_value_info);
    case graph_field::name: graph.name = field.text(); return {};
    case graph_field::doc_string: graph.doc = field.text(); return {};
    case graph_field::quantization_annotation: graph.quantization_annotations.push_back(field.whole); return {};
    default: graph.extra.append(wire::as_text(field.whole)); return {};
  }
}

}  // namespace

Result<GraphView> parse_graph(const Message& message) {
  GraphView graph;
  Reader reader(message);
  Field field;
  while (reader.next(field)) {
    const bool known = field.number <= graph_field::sparse_initializer;
    if (known && field.type != WireType::bytes) return malformed(field, "graph");
    EDGESMITH_TRY(parse_graph_field(field, graph));
  }
  EDGESMITH_TRY(reader.status());
  return graph;
}

Result<FunctionView> parse_function(const Message& message) {
  FunctionView function;
  function.message = message;
  Reader reader(message);
  Field field;
  while (reader.next(field)) {
    if (field.is(function_field::name, WireType::bytes)) function.name = field.text();
    if (field.is(function_field::domain, WireType::bytes)) function.domain = canonical_domain(field.text());
    if (field.is(function_field::overload, WireType::bytes)) function.overload = field.text();
  }
  EDGESMITH_TRY(reader.status());
  return function;
}

Result<FunctionBody> parse_function_body(const Message& message) {
  FunctionBody function;
  Reader reader(message);
  Field field;
  while (reader.next(field)) {
    if (field.type != WireType::bytes) continue;
    switch (field.number) {
      case function_field::input:
      case function_field::output: {
        ValueInfoView value;
        value.name = field.text();
        auto& list = field.number == function_field::input ? function.graph.inputs : function.graph.outputs;
        list.push_back(std::move(value));
        break;
      }
      case function_field::node: EDGESMITH_TRY(append(function.graph.nodes, field, parse_node)); break;
      case function_field::opset_import: EDGESMITH_TRY(append(function.opsets, field, parse_opset)); break;
      case function_field::attribute_proto: EDGESMITH_TRY(append(function.defaults, field, parse_attribute)); break;
      default: break;
    }
  }
  EDGESMITH_TRY(reader.status());
  return function;
}

Result<ModelView> parse_model(const Message& message) {
  ModelView model;
  Reader reader(message);
  Field field;
  while (reader.next(field)) {
    if (field.is(model_field::ir_version, WireType::varint)) {
      model.ir_version = field.integer();
    } else if (field.is(model_field::graph, WireType::bytes)) {
      model.graph = field.message();
      model.has_graph = true;
    } else if (field.is(model_field::opset_import, WireType::bytes)) {
      EDGESMITH_TRY(append(model.opsets, field, parse_opset));
    } else if (field.is(model_field::metadata_props, WireType::bytes)) {
      auto entry = parse_entry(field.message());
      if (!entry) return entry.error();
      model.metadata.emplace_back(entry->first, entry->second);
    } else {
      if (field.is(2, WireType::bytes)) model.producer_name = field.text();
      if (field.is(3, WireType::bytes)) model.producer_version = field.text();
      if (field.is(model_field::functions, WireType::bytes)) {
        EDGESMITH_TRY(append(model.functions, field, parse_function));
      }
      model.extra.append(wire::as_text(field.whole));
    }
  }
  EDGESMITH_TRY(reader.status());
  return model;
}

}  // namespace edgesmith::onnx
