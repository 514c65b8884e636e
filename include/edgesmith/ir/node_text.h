// SPDX-License-Identifier: Apache-2.0
// How nodes are called in reports.
#pragma once

#include <string>

#include "edgesmith/ir/graph.h"

namespace edgesmith::ir {

/// The node's name; its label where it has none.
std::string name_or_label(const Node& node);

/// The operator as ONNX calls it: "Conv"; of an opaque node as its model does.
std::string operator_text(const Node& node);

}  // namespace edgesmith::ir
