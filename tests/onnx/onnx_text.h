// SPDX-License-Identifier: Apache-2.0
// Models as ONNX text, and ONNX's own checker: both from libonnx, which only tests use.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace edgesmith::onnx {

/// The bytes of a model in ONNX text form. Ends the test program when the text does not parse.
std::string model_bytes(const std::string& text);

/// "" or what onnx::checker objects to.
std::string check_model(const std::string& bytes);

/// The nodes of a model, one a line: "y = Squeeze(x, 0) {axes=[1]}".
std::vector<std::string> node_lines(const std::string& bytes);

/// "name: dtype[dims]" of every initializer, in order of the file.
std::vector<std::string> initializer_lines(const std::string& bytes);

/// Names of the graph's inputs and outputs: "x, w -> y".
std::string signature(const std::string& bytes);

/// The model with its first initializer's data replaced by external_data entries.
std::string with_external_data(const std::string& bytes,
                               const std::vector<std::pair<std::string, std::string>>& entries);

/// The model with an external tensor attribute "table" (f32[4], data at the start of `location`) on its first node.
std::string with_external_attribute(const std::string& bytes, const std::string& location);

/// The model with other names for the outputs of its first node, which may be empty.
std::string with_outputs(const std::string& bytes, const std::vector<std::string>& names);

/// The model with another name for its first result.
std::string with_result(const std::string& bytes, const std::string& name);

/// The raw data of attribute "table" of the first node.
std::string attribute_data(const std::string& bytes);

/// The model with its first initializer given other dims, and raw data of `raw_bytes` bytes.
std::string with_initializer(const std::string& bytes, const std::vector<int64_t>& dims, int data_type,
                             size_t raw_bytes);

/// The version of the default domain, and ir_version.
int64_t opset_of(const std::string& bytes);
int64_t ir_version_of_bytes(const std::string& bytes);

}  // namespace edgesmith::onnx
