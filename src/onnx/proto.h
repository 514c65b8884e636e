// SPDX-License-Identifier: Apache-2.0
// The messages of onnx.proto as views: what we look at is parsed into spans and small vectors, everything else is kept
// as encoded fields (`extra`) and goes out again byte for byte. Field numbers: onnx/onnx.proto.
#pragma once

#include <string_view>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/ir/type.h"
#include "onnx/wire.h"

namespace edgesmith::onnx {

using wire::Bytes;

/// Field numbers that the reader and the writer share.
namespace model_field {
enum : uint32_t { ir_version = 1, graph = 7, opset_import = 8, metadata_props = 14, functions = 25 };
}
namespace graph_field {
enum : uint32_t {
  node = 1,
  name = 2,
  initializer = 5,
  doc_string = 10,
  input = 11,
  output = 12,
  value_info = 13,
  quantization_annotation = 14,
  sparse_initializer = 15,
};
}
namespace node_field {
enum : uint32_t {
  input = 1,
  output = 2,
  name = 3,
  op_type = 4,
  attribute = 5,
  doc_string = 6,
  domain = 7,
  overload = 8
};
}
namespace function_field {
enum : uint32_t {
  name = 1,
  input = 4,
  output = 5,
  node = 7,
  opset_import = 9,
  domain = 10,
  attribute_proto = 11,
  overload = 13
};
}
namespace attribute_field {
enum : uint32_t {
  name = 1,
  f = 2,
  i = 3,
  s = 4,
  t = 5,
  g = 6,
  floats = 7,
  ints = 8,
  strings = 9,
  tensors = 10,
  graphs = 11,
  doc_string = 13,
  tp = 14,
  type_protos = 15,
  type = 20,
  ref_attr_name = 21,
  sparse_tensor = 22,
  sparse_tensors = 23,
};
}
namespace tensor_field {
enum : uint32_t {
  dims = 1,
  data_type = 2,
  segment = 3,
  float_data = 4,
  int32_data = 5,
  string_data = 6,
  int64_data = 7,
  name = 8,
  raw_data = 9,
  double_data = 10,
  uint64_data = 11,
  external_data = 13,
  data_location = 14,
};
}

/// AttributeProto.AttributeType.
enum class AttributeType : int64_t {
  undefined = 0,
  float32 = 1,
  integer = 2,
  string = 3,
  tensor = 4,
  graph = 5,
  floats = 6,
  integers = 7,
  strings = 8,
  tensors = 9,
  graphs = 10,
  sparse_tensor = 11,
  sparse_tensors = 12,
  type_proto = 13,
  type_protos = 14,
};

struct AttributeView {
  std::string_view name;
  AttributeType type = AttributeType::undefined;
  std::string_view reference;  ///< ref_attr_name: the value is the function's attribute of that name
  wire::Message message;
};

struct NodeView {
  std::vector<std::string_view> inputs, outputs;
  std::string_view name, op_type, domain, doc;
  std::string_view overload;  ///< which of the model's functions of one name is called; also in `extra`
  std::vector<AttributeView> attributes;
  wire::Message message;
  std::string extra;  ///< encoded fields that are none of the above
};

struct ExternalEntry {
  std::string_view key, value;
};

struct TensorView {
  std::string_view name;
  std::vector<int64_t> dims;
  int64_t data_type = 0;
  bool external = false, has_raw = false, segmented = false;
  Bytes raw_data;
  std::vector<ExternalEntry> external_data;
  wire::Message message;
  std::string extra;  ///< doc string, metadata, unknown fields
};

struct SparseTensorView {
  TensorView values, indices;
  std::vector<int64_t> dims;
};

struct ValueInfoView {
  std::string_view name;
  /// Dtype undefined for what is no tensor (sequences, maps, optionals, sparse tensors).
  ir::Type type;
  bool is_tensor = false;
  wire::Message message;
};

struct GraphView {
  std::string_view name, doc;
  std::vector<NodeView> nodes;
  std::vector<TensorView> initializers;
  std::vector<SparseTensorView> sparse_initializers;
  std::vector<ValueInfoView> inputs, outputs, value_infos;
  std::vector<Bytes> quantization_annotations;
  std::string extra;
};

struct OpsetImport {
  std::string domain;
  int64_t version = 0;
};

struct FunctionView {
  std::string_view name, domain, overload;
  wire::Message message;
};

/// What a function computes.
struct FunctionBody {
  GraphView graph;  ///< inputs and outputs have names only
  std::vector<OpsetImport> opsets;
  std::vector<AttributeView> defaults;  ///< of its attributes
};

struct ModelView {
  int64_t ir_version = 0;
  std::vector<OpsetImport> opsets;
  std::vector<std::pair<std::string, std::string>> metadata;
  std::vector<FunctionView> functions;
  std::string_view producer_name, producer_version;
  wire::Message graph;
  bool has_graph = false;
  std::string extra;  ///< producer, domain, doc string, functions, training info, unknown fields
};

/// Parsers. Errors: invalid, with the byte offset.
Result<ModelView> parse_model(const wire::Message& message);
Result<GraphView> parse_graph(const wire::Message& message);
Result<NodeView> parse_node(const wire::Message& message);
Result<TensorView> parse_tensor(const wire::Message& message);
Result<SparseTensorView> parse_sparse_tensor(const wire::Message& message);
Result<ValueInfoView> parse_value_info(const wire::Message& message);
Result<FunctionView> parse_function(const wire::Message& message);
Result<FunctionBody> parse_function_body(const wire::Message& message);

/// "" for the default domain under both of its names.
inline std::string_view canonical_domain(std::string_view domain) { return domain == "ai.onnx" ? "" : domain; }

}  // namespace edgesmith::onnx
