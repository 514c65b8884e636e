// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "edgesmith/ir/graph.h"
#include "onnx/external_data.h"
#include "onnx/foreign.h"
#include "onnx/proto.h"

namespace edgesmith::onnx {

/// The attributes of a call, which the nodes of a function refer to by name.
using CallAttributes = std::map<std::string_view, AttributeView>;

/// What building a graph needs beside the GraphProto.
struct ImportSource {
  const ModelView& model;
  std::shared_ptr<const void> owner;  ///< of the file's bytes
  ExternalData& files;
  int64_t opset = 0;  ///< of the default domain
  /// Nodes (by position in the file) to keep opaque although their operator is known: a form that it refuses.
  std::set<size_t> forced_opaque;
  /// Inside a function: the call's attributes, else null.
  const CallAttributes* call = nullptr;
  /// How many nodes the graph is inside of, and how many more nodes may be built inside of others: functions that call
  /// functions could make any number of them.
  int depth = 0;
  int64_t* inner_nodes_left = nullptr;
  /// Types of values by name that an earlier build of the graph has inferred, for compound operators that ask.
  std::map<std::string, ir::Type, std::less<>> learnt = {};
};

/// What the graph of a node sees of the graph around it.
struct Surroundings {
  std::vector<std::string> captured;  ///< outer values that it may read, inputs behind its own; ...
  std::vector<ir::Type> types;        ///< ... and what is known of their types
  std::set<std::string_view> absent;  ///< its own inputs that the call leaves out
};

/// A graph without inferred types, and where its nodes came from.
struct BuiltGraph {
  ir::Graph graph;
  std::vector<size_t> file_position;  ///< by node id; SIZE_MAX for nodes that are not nodes in the file
  std::vector<std::pair<ir::Value*, ir::Type>> value_infos;
};

/// Turns the messages into nodes and values. Errors: invalid, unsupported (messages name the node, not the file).
Result<BuiltGraph> build_graph(const GraphView& view, const ImportSource& source,
                               const Surroundings& surroundings = {});

/// The tensor of a constant that is stored as it is; null for anything else, and for no value.
const ir::Tensor* dense_constant(const ir::Value* value);

/// Turns look-ups in constant codebooks into palette constants (docs/onnx.md says which). Needs inferred types.
void find_palettes(ir::Graph& graph);

/// Turns Q/DQ pairs into annotations (docs/onnx.md says which). Needs inferred types.
void annotate_quantization(ir::Graph& graph);

}  // namespace edgesmith::onnx
