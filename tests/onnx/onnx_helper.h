// SPDX-License-Identifier: Apache-2.0
// Short words for importer and exporter tests.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "edgesmith/ir/text.h"
#include "edgesmith/onnx/export.h"
#include "edgesmith/onnx/import.h"
#include "onnx/onnx_text.h"
#include "onnx/wire.h"

namespace edgesmith::onnx {

inline Result<ir::Graph> import_string(std::string bytes, const std::string& folder = ".") {
  auto owner = std::make_shared<const std::string>(std::move(bytes));
  return import_bytes(wire::as_bytes(*owner), owner, folder, "m.onnx");
}

/// "<ir_version: 7, opset_import: ["" : OPSET]> GRAPH".
inline std::string with_header(int opset, const std::string& graph, int ir_version = 7) {
  return "<ir_version: " + std::to_string(ir_version) + ", opset_import: [\"\" : " + std::to_string(opset) + "]>\n" +
         graph;
}

inline Result<ir::Graph> import_text(int opset, const std::string& graph, int ir_version = 7) {
  return import_string(model_bytes(with_header(opset, graph, ir_version)));
}

/// The graph of a model in ONNX text; a failure ends the test.
inline ir::Graph must_import(int opset, const std::string& graph, int ir_version = 7) {
  auto result = import_text(opset, graph, ir_version);
  if (!result) {
    ADD_FAILURE() << result.error().text();
    return ir::Graph();
  }
  return *std::move(result);
}

inline std::string must_export(const ir::Graph& graph) {
  auto bytes = export_bytes(graph);
  if (!bytes) {
    ADD_FAILURE() << bytes.error().text();
    return {};
  }
  return *bytes;
}

/// The first node that is neither structural nor an opaque one.
inline const ir::Node* first_op(const ir::Graph& graph) {
  for (const ir::Node& node : graph.nodes()) {
    if (node.op() > ir::OpKind::opaque) return &node;
  }
  return nullptr;
}

inline const ir::Node* first_opaque(const ir::Graph& graph) {
  for (const ir::Node& node : graph.nodes()) {
    if (node.is(ir::OpKind::opaque)) return &node;
  }
  return nullptr;
}

}  // namespace edgesmith::onnx
