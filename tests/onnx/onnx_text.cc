// SPDX-License-Identifier: Apache-2.0
#include "onnx/onnx_text.h"

#include <onnx/checker.h>
#include <onnx/defs/parser.h>

#include <cstdio>
#include <cstdlib>

namespace edgesmith::onnx {
namespace {

::onnx::ModelProto parse(const std::string& bytes) {
  ::onnx::ModelProto model;
  if (!model.ParseFromString(bytes)) {
    std::fprintf(stderr, "protobuf cannot parse the exported model\n");
    std::abort();
  }
  return model;
}

template <typename List>
std::string list(const List& values) {
  std::string text;
  for (const auto& value : values) text += (text.empty() ? "" : ",") + std::to_string(value);
  return "[" + text + "]";
}

std::string attribute_text(const ::onnx::AttributeProto& a) {
  switch (a.type()) {
    case ::onnx::AttributeProto::INT: return std::to_string(a.i());
    case ::onnx::AttributeProto::FLOAT: return std::to_string(a.f());
    case ::onnx::AttributeProto::STRING: return a.s();
    case ::onnx::AttributeProto::INTS: return list(a.ints());
    case ::onnx::AttributeProto::FLOATS: return list(a.floats());
    default: return "...";
  }
}

std::string names(const google::protobuf::RepeatedPtrField<::onnx::ValueInfoProto>& values) {
  std::string text;
  for (const auto& value : values) text += (text.empty() ? "" : ", ") + value.name();
  return text;
}

}  // namespace

std::string model_bytes(const std::string& text) {
  ::onnx::ModelProto model;
  const auto status = ::onnx::OnnxParser::Parse(model, text.c_str());
  if (!status.IsOK()) {
    std::fprintf(stderr, "%s\nin\n%s\n", status.ErrorMessage().c_str(), text.c_str());
    std::abort();
  }
  return model.SerializeAsString();
}

std::string check_model(const std::string& bytes) {
  try {
    ::onnx::checker::check_model(parse(bytes));
  } catch (const std::exception& error) {
    return error.what();
  }
  return {};
}

std::vector<std::string> node_lines(const std::string& bytes) {
  std::vector<std::string> lines;
  const auto model = parse(bytes);
  for (const auto& node : model.graph().node()) {
    std::string outputs, inputs, attributes;
    for (const auto& output : node.output()) outputs += (outputs.empty() ? "" : ", ") + output;
    for (int i = 0; i < node.input_size(); ++i) inputs += (i == 0 ? "" : ", ") + node.input(i);
    for (const auto& a : node.attribute()) {
      attributes += (attributes.empty() ? " {" : ", ") + a.name() + "=" + attribute_text(a);
    }
    lines.push_back(outputs + " = " + node.op_type() + "(" + inputs + ")" +
                    (attributes.empty() ? "" : attributes + "}"));
  }
  return lines;
}

std::vector<std::string> initializer_lines(const std::string& bytes) {
  std::vector<std::string> lines;
  const auto model = parse(bytes);
  for (const auto& tensor : model.graph().initializer()) {
    lines.push_back(tensor.name() + ": " + ::onnx::TensorProto::DataType_Name(tensor.data_type()) +
                    list(tensor.dims()));
  }
  return lines;
}

std::string signature(const std::string& bytes) {
  const auto model = parse(bytes);
  return names(model.graph().input()) + " -> " + names(model.graph().output());
}

std::string with_external_data(const std::string& bytes,
                               const std::vector<std::pair<std::string, std::string>>& entries) {
  auto model = parse(bytes);
  auto& tensor = *model.mutable_graph()->mutable_initializer(0);
  tensor.clear_raw_data();
  tensor.clear_float_data();
  tensor.set_data_location(::onnx::TensorProto::EXTERNAL);
  for (const auto& [key, value] : entries) {
    auto& entry = *tensor.add_external_data();
    entry.set_key(key);
    entry.set_value(value);
  }
  return model.SerializeAsString();
}

std::string with_external_attribute(const std::string& bytes, const std::string& location) {
  auto model = parse(bytes);
  auto& attribute = *model.mutable_graph()->mutable_node(0)->add_attribute();
  attribute.set_name("table");
  attribute.set_type(::onnx::AttributeProto::TENSOR);
  auto& tensor = *attribute.mutable_t();
  tensor.add_dims(4);
  tensor.set_data_type(1);
  tensor.set_data_location(::onnx::TensorProto::EXTERNAL);
  auto& entry = *tensor.add_external_data();
  entry.set_key("location");
  entry.set_value(location);
  return model.SerializeAsString();
}

std::string with_outputs(const std::string& bytes, const std::vector<std::string>& names) {
  auto model = parse(bytes);
  auto& node = *model.mutable_graph()->mutable_node(0);
  node.clear_output();
  for (const std::string& name : names) node.add_output(name);
  return model.SerializeAsString();
}

std::string with_result(const std::string& bytes, const std::string& name) {
  auto model = parse(bytes);
  model.mutable_graph()->mutable_output(0)->set_name(name);
  return model.SerializeAsString();
}

std::string attribute_data(const std::string& bytes) {
  const auto model = parse(bytes);
  for (const auto& attribute : model.graph().node(0).attribute()) {
    if (attribute.name() == "table") return attribute.t().raw_data();
  }
  return "no attribute";
}

std::string with_initializer(const std::string& bytes, const std::vector<int64_t>& dims, int data_type,
                             size_t raw_bytes) {
  auto model = parse(bytes);
  auto& tensor = *model.mutable_graph()->mutable_initializer(0);
  tensor.clear_dims();
  tensor.clear_float_data();
  for (int64_t dim : dims) tensor.add_dims(dim);
  tensor.set_data_type(data_type);
  tensor.set_raw_data(std::string(raw_bytes, '\0'));
  return model.SerializeAsString();
}

int64_t opset_of(const std::string& bytes) {
  const auto model = parse(bytes);
  for (const auto& import : model.opset_import()) {
    if (import.domain().empty() || import.domain() == "ai.onnx") return import.version();
  }
  return 0;
}

int64_t ir_version_of_bytes(const std::string& bytes) { return parse(bytes).ir_version(); }

}  // namespace edgesmith::onnx
