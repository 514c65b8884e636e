// SPDX-License-Identifier: Apache-2.0
// What the importer keeps for the exporter: everything of the source that the IR has no place for.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "edgesmith/ir/graph.h"
#include "onnx/proto.h"

namespace edgesmith::onnx {

/// A ValueInfoProto of the source: used again as it was while the type is still the one it declares.
struct DeclaredInfo {
  ir::Type type;
  std::string encoded;
};

/// The first ir_version in which an initializer need not be a graph input.
inline constexpr int64_t kIrWithFreeInitializers = 4;

/// On the graph.
struct ModelForeign final : ir::Foreign {
  int64_t ir_version = 0;
  int64_t opset = 0;  ///< of the default domain; 0 when it is not imported
  std::vector<OpsetImport> opsets;
  std::string producer;
  bool external_data = false;
  std::vector<std::string> external_files;
  int64_t external_bytes = 0;
  std::string model_extra, graph_extra;               ///< encoded fields
  std::vector<std::string> quantization_annotations;  ///< encoded fields
  std::vector<std::string> input_order;               ///< graph.input with the overridable initializers in it
  std::vector<DeclaredInfo> outputs;
  std::set<std::string> called;  ///< functions that the source's nodes call, as called_functions() says
};

/// On a value: a graph input, or an output of an opaque node.
struct ValueForeign final : ir::Foreign {
  DeclaredInfo declared;
};

/// On a node.
struct NodeForeign : ir::Foreign {
  std::string extra;  ///< encoded fields that the IR has no place for
};

/// On a constant node.
struct ConstantForeign final : NodeForeign {
  enum class Origin { initializer, overridable, sparse_initializer, constant_node };
  Origin origin = Origin::initializer;
  DeclaredInfo declared;  ///< overridable: its entry among the inputs
  /// Overridable, and a default that callers may mean to feed: what the source says of it. Once a pass has counted on
  /// the value it is no input any more: another value would go into half of the places that ought to have it.
  struct Default {
    size_t uses = 0;
    ir::Tensor value;
  };
  std::optional<Default> original = {};
};

/// On an opaque node.
struct OpaqueForeign final : NodeForeign {
  wire::Message message;              ///< the NodeProto
  std::shared_ptr<const void> owner;  ///< of its bytes
  int num_inputs = 0;                 ///< operands beyond these are outer values that its subgraphs read, ...
  std::vector<std::string> captured;  ///< ... under these names
};

/// The foreign part of a node or value as `T`, or null.
template <typename T>
const T* foreign_as(const ir::ForeignPtr& foreign) {
  return dynamic_cast<const T*>(foreign.get());
}

/// The constant's record when it was, and still is, an initializer that is also a graph input; else null.
const ConstantForeign* overridable(const ir::Node& node);

}  // namespace edgesmith::onnx
