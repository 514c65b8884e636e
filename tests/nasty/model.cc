// SPDX-License-Identifier: Apache-2.0
#include "nasty/model.h"

#include <onnx/checker.h>
#include <onnx/defs/parser.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <set>

#include "edgesmith/base/random.h"

namespace edgesmith::nasty {
namespace {

using ::onnx::TensorProto;

/// Names that nodes of `graph` make.
std::set<std::string> made_names(const ::onnx::GraphProto& graph) {
  std::set<std::string> names;
  for (const auto& node : graph.node()) names.insert(node.output().begin(), node.output().end());
  return names;
}

bool starts_with(const std::string& text, const char* start) { return text.rfind(start, 0) == 0; }

void make_up(const ::onnx::ValueInfoProto& declared, Random& random, TensorProto& tensor) {
  tensor.set_name(declared.name());
  tensor.set_data_type(TensorProto::FLOAT);
  int64_t count = 1, fan_in = 1;
  for (int i = 0; i < declared.type().tensor_type().shape().dim_size(); ++i) {
    const int64_t dim = declared.type().tensor_type().shape().dim(i).dim_value();
    tensor.add_dims(dim);
    count *= dim;
    if (i > 0) fan_in *= dim;
  }
  if (tensor.dims_size() == 2) fan_in = tensor.dims(0);
  const double reach =
      tensor.dims_size() > 1 ? std::sqrt(3.0 / static_cast<double>(std::max<int64_t>(1, fan_in))) : 0.5;
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) {
    value = static_cast<float>(starts_with(declared.name(), "var") ? random.uniform() + 0.5
                                                                   : (2 * random.uniform() - 1) * reach);
  }
  set_floats(tensor, values);
}

/// Integers as exporters store them: eight bytes each.
void store_raw(TensorProto& tensor) {
  if (tensor.data_type() != TensorProto::INT64 || tensor.int64_data().empty()) return;
  const std::vector<int64_t> numbers(tensor.int64_data().begin(), tensor.int64_data().end());
  tensor.clear_int64_data();
  tensor.set_raw_data(numbers.data(), numbers.size() * sizeof(int64_t));
}

void make_up_weights(Model& model) {
  Random random(7);
  const std::set<std::string> made = made_names(model.graph());
  google::protobuf::RepeatedPtrField<::onnx::ValueInfoProto> rest;
  for (const auto& declared : model.graph().value_info()) {
    const bool weight = made.count(declared.name()) == 0 && declared.type().tensor_type().elem_type() == 1;
    if (weight)
      make_up(declared, random, *model.mutable_graph()->add_initializer());
    else
      *rest.Add() = declared;
  }
  *model.mutable_graph()->mutable_value_info() = rest;
}

}  // namespace

Model model_of(const std::string& text, int opset) {
  const std::string header = "<ir_version: 8, opset_import: [\"\" : " + std::to_string(opset) +
                             ", \"com.microsoft\" : 1, \"com.acme\" : 1]>\n";
  const std::string whole = text[text.find_first_not_of(" \n")] == '<' ? text : header + text;
  Model model;
  const auto status = ::onnx::OnnxParser::Parse(model, whole.c_str());
  if (!status.IsOK()) {
    std::fprintf(stderr, "%s\nin\n%s\n", status.ErrorMessage().c_str(), whole.c_str());
    std::abort();
  }
  make_up_weights(model);
  for (auto& tensor : *model.mutable_graph()->mutable_initializer()) store_raw(tensor);
  return model;
}

std::string objection(const Model& model) {
  try {
    ::onnx::checker::check_model(model);
  } catch (const std::exception& error) {
    return error.what();
  }
  return {};
}

int count_nodes(const Model& model, const std::string& op) {
  int count = 0;
  for (const auto& node : model.graph().node()) count += node.op_type() == op ? 1 : 0;
  return count;
}

const TensorProto* find_initializer(const Model& model, const std::string& name) {
  for (const auto& tensor : model.graph().initializer()) {
    if (tensor.name() == name) return &tensor;
  }
  return nullptr;
}

TensorProto* find_initializer(Model& model, const std::string& name) {
  return const_cast<TensorProto*>(find_initializer(std::as_const(model), name));
}

int count_initializers(const Model& model, TensorProto::DataType type) {
  int count = 0;
  for (const auto& tensor : model.graph().initializer()) count += tensor.data_type() == type ? 1 : 0;
  return count;
}

std::vector<float> floats_of(const TensorProto& tensor) {
  std::vector<float> values(tensor.float_data().begin(), tensor.float_data().end());
  if (!tensor.raw_data().empty()) {
    values.resize(tensor.raw_data().size() / sizeof(float));
    std::memcpy(values.data(), tensor.raw_data().data(), values.size() * sizeof(float));
  }
  return values;
}

void set_floats(TensorProto& tensor, const std::vector<float>& values) {
  tensor.clear_float_data();
  tensor.set_raw_data(values.data(), values.size() * sizeof(float));
}

std::string interface_of(const Model& model) {
  std::string text;
  for (const auto& input : model.graph().input()) {
    if (find_initializer(model, input.name()) == nullptr) text += input.ShortDebugString() + "\n";
  }
  for (const auto& output : model.graph().output()) text += "-> " + output.ShortDebugString() + "\n";
  return text;
}

std::string names_defined_twice(const Model& model) {
  std::string twice;
  std::set<std::string> seen;
  const auto define = [&](const std::string& name) {
    if (!name.empty() && !seen.insert(name).second) twice += name + " ";
  };
  for (const auto& input : model.graph().input()) {
    if (find_initializer(model, input.name()) == nullptr) define(input.name());
  }
  for (const auto& tensor : model.graph().initializer()) define(tensor.name());
  for (const auto& node : model.graph().node()) {
    for (const auto& output : node.output()) define(output);
  }
  return twice;
}

void write_input(const TensorProto& tensor, const std::string& folder, int index) {
  std::ofstream file(folder + "/input_" + std::to_string(index) + ".pb", std::ios::binary);
  tensor.SerializeToOstream(&file);
}

TensorProto float_tensor(const std::string& name, const std::vector<int64_t>& dims, const std::vector<float>& values) {
  TensorProto tensor;
  tensor.set_name(name);
  tensor.set_data_type(TensorProto::FLOAT);
  for (const int64_t dim : dims) tensor.add_dims(dim);
  set_floats(tensor, values);
  return tensor;
}

void write_inputs(const Model& model, const std::map<std::string, int64_t>& sizes, const std::string& folder,
                  uint64_t seed) {
  Random random(seed);
  int index = 0;
  for (const auto& input : model.graph().input()) {
    if (find_initializer(model, input.name()) != nullptr) continue;
    const auto& type = input.type().tensor_type();
    TensorProto tensor;
    tensor.set_name(input.name());
    tensor.set_data_type(type.elem_type());
    int64_t count = 1;
    for (const auto& dim : type.shape().dim()) {
      const auto size = sizes.find(dim.dim_param());
      const bool two = dim.dim_param() == "N" || dim.dim_param().empty();
      tensor.add_dims(dim.dim_value() > 0 ? dim.dim_value() : size != sizes.end() ? size->second : two ? 2 : 8);
      count *= tensor.dims(tensor.dims_size() - 1);
    }
    for (int64_t i = 0; i < count; ++i) {
      const double uniform = random.uniform();
      switch (type.elem_type()) {
        case TensorProto::FLOAT: tensor.add_float_data(static_cast<float>(2 * uniform - 1)); break;
        case TensorProto::DOUBLE: tensor.add_double_data(2 * uniform - 1); break;
        case TensorProto::INT64: tensor.add_int64_data(uniform < 0.5 ? 0 : 1); break;
        case TensorProto::STRING: tensor.add_string_data(uniform < 0.5 ? "no" : "yes"); break;
        // Codes of 0.5 and -1, and of nothing in particular for bytes.
        case TensorProto::FLOAT16: tensor.add_int32_data(uniform < 0.5 ? 0x3800 : 0xBC00); break;
        case TensorProto::BFLOAT16: tensor.add_int32_data(uniform < 0.5 ? 0x3F00 : 0xBF80); break;
        case TensorProto::UINT8: tensor.add_int32_data(static_cast<int>(uniform * 256)); break;
        case TensorProto::INT8: tensor.add_int32_data(static_cast<int>(uniform * 256) - 128); break;
        default: tensor.add_int32_data(uniform < 0.5 ? 0 : 1);
      }
    }
    write_input(tensor, folder, index++);
  }
}

}  // namespace edgesmith::nasty
