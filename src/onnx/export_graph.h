// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>
#include <string>
#include <vector>

#include "edgesmith/ir/graph.h"
#include "onnx/export_names.h"
#include "onnx/forms.h"

namespace edgesmith::onnx {

struct Initializer {
  std::string name;
  ir::Tensor tensor;
  std::string extra;     ///< encoded fields to keep
  bool sparse = false;   ///< goes out as a SparseTensorProto
  bool keep = false;     ///< also when nothing reads it: the source had it
  bool as_node = false;  ///< goes out as a Constant node: this ir_version wants every initializer among the inputs
};

/// A graph in the terms of one opset: what is left is to encode it.
struct LoweredGraph {
  std::vector<LoweredNode> nodes;
  std::vector<Initializer> initializers;
};

/// Lowers every node to `opset` and materialises annotations as Q/DQ nodes. `constants_as_nodes`: ir_version 3.
LoweredGraph lower_graph(const ir::Graph& graph, ExportNames& names, int64_t opset, bool constants_as_nodes);

}  // namespace edgesmith::onnx
