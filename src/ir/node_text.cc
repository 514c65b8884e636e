// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/ir/node_text.h"

namespace edgesmith::ir {

std::string name_or_label(const Node& node) { return node.name().empty() ? node.label() : node.name(); }

std::string operator_text(const Node& node) {
  return node.is(OpKind::opaque) ? node.opaque_op : std::string(onnx_name(node.op()));
}

}  // namespace edgesmith::ir
