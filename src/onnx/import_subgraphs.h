// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "edgesmith/ir/subgraphs.h"
#include "onnx/import_graph.h"

namespace edgesmith::onnx {

/// The graphs that say what a node of the file computes: its own subgraphs (If, Loop, Scan), the function that it
/// calls, or what a compound operator is made of. `types` are those of its operands and of the values that its
/// subgraphs capture, as far as they are known. Errors: unsupported or invalid, with the reason why the node cannot be
/// run.
Result<std::shared_ptr<const ir::Subgraphs>> read_subgraphs(const NodeView& node, const std::vector<ir::Type>& types,
                                                            const std::vector<std::string>& captured,
                                                            const ImportSource& source);

}  // namespace edgesmith::onnx
