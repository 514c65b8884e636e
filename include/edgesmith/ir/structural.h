// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "edgesmith/ir/graph.h"

namespace edgesmith::ir {

/// Nodes that compute nothing: input, output, constant.
inline bool is_structural(const Node& node) {
  return node.is(OpKind::input) || node.is(OpKind::output) || node.is(OpKind::constant);
}

}  // namespace edgesmith::ir
