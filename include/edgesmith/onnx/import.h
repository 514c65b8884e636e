// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/ir/graph.h"

namespace edgesmith::onnx {

struct ImportOptions {
  /// Operators on codes (QLinearConv and its kin) stay the nodes that they are, and go out byte for byte. Else they
  /// become operators on reals with annotations, which run faster, and go out as Q/DQ: more nodes.
  bool keep_quantized_operators = false;
};

/// Reads an .onnx file (memory-mapped; raw data are not copied) into canonical form with types inferred. External data
/// are looked for beside the file. Errors (all name the file, and the node where there is one): io; invalid (not
/// ONNX: says what it looks like; truncated; cycles; undefined or doubly defined values; escaping external data; wrong
/// shapes); unsupported.
Result<ir::Graph> import_file(const std::string& path, const ImportOptions& options = {});

/// The same from bytes, which must stay alive as long as `owner` does. `folder` is where external data lie.
Result<ir::Graph> import_bytes(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                               const std::string& folder, const std::string& name_for_errors,
                               const ImportOptions& options = {});

/// One tensor of an ONNX test-data file (`input_0.pb`), with the name stored in it.
struct NamedTensor {
  std::string name;
  ir::Tensor tensor;
};
Result<NamedTensor> import_tensor_file(const std::string& path);

/// What the source model said of itself, for `inspect`.
struct SourceInfo {
  int64_t ir_version = 0;
  int64_t opset = 0;  ///< of the default domain
  std::string producer;
  bool external_data = false;
  std::vector<std::string> external_files;  ///< where those data are, links resolved
  int64_t external_bytes = 0;               ///< of these files
};
SourceInfo source_info(const ir::Graph& graph);

/// What a graph made of some nodes of `graph` keeps of its source: opsets and functions, not the interface.
ir::ForeignPtr foreign_of_part(const ir::Graph& graph);

}  // namespace edgesmith::onnx
