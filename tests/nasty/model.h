// SPDX-License-Identifier: Apache-2.0
// Models for the nasty inputs: ONNX text with weights made up where the text leaves them out, and edits of the message.
#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace edgesmith::nasty {

using Model = ::onnx::ModelProto;

/// The model of an ONNX text: a graph (the header is added: IR 8 and `opset`, com.microsoft 1 and com.acme 1), or a
/// whole model when it begins with '<'. A float32 tensor that the text declares between '<' and '>' and nobody makes
/// becomes an initializer: seeded numbers of variance 1 / fan-in, in [0.5, 1.5] where the name begins with "var". Ends
/// the test program when the text does not parse.
Model model_of(const std::string& text, int opset);

/// What onnx::checker objects to, or "".
std::string objection(const Model& model);

/// Nodes of operator `op` in the graph (not in its subgraphs).
int count_nodes(const Model& model, const std::string& op);
/// The initializer `name`, or null.
const ::onnx::TensorProto* find_initializer(const Model& model, const std::string& name);
::onnx::TensorProto* find_initializer(Model& model, const std::string& name);
/// Initializers with elements of `type`.
int count_initializers(const Model& model, ::onnx::TensorProto::DataType type);
/// Reals of a float32 tensor, from raw data or not.
std::vector<float> floats_of(const ::onnx::TensorProto& tensor);
void set_floats(::onnx::TensorProto& tensor, const std::vector<float>& values);

/// Names and types of inputs that are no initializers, and of outputs, as they are declared.
std::string interface_of(const Model& model);
/// Tensor names that two nodes, initializers or inputs define, joined.
std::string names_defined_twice(const Model& model);

/// Writes `folder`/input_N.pb for every input without an initializer: floats uniform in [-1, 1), integers 0 or 1. A
/// free dim has the size that `sizes` gives its symbol; else N and unnamed dims are 2, others 8.
void write_inputs(const Model& model, const std::map<std::string, int64_t>& sizes, const std::string& folder,
                  uint64_t seed);
/// Writes one tensor as `folder`/input_`index`.pb.
void write_input(const ::onnx::TensorProto& tensor, const std::string& folder, int index);
/// A float32 tensor.
::onnx::TensorProto float_tensor(const std::string& name, const std::vector<int64_t>& dims,
                                 const std::vector<float>& values);

}  // namespace edgesmith::nasty
