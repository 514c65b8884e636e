// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/ir/graph.h"

namespace edgesmith::onnx {

/// Inserts a compound operator (docs/onnx.md), such as "com.microsoft::DynamicQuantizeLSTM", before `position`: an
/// opaque node with the graph that says what it computes, as one that was read from a file, but with attributes of its
/// own instead of a message. Absent operands are null. The exporter imports its domain. Errors: unsupported (no row of
/// the table has such an operator or form; the graph is as it was).
Result<ir::Node*> insert_compound(ir::Graph& graph, ir::Node& position, std::string_view op,
                                  const std::vector<ir::Value*>& inputs, int num_outputs, ir::Attributes attributes);

}  // namespace edgesmith::onnx
