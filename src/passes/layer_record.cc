// SPDX-License-Identifier: Apache-2.0
#include "passes/layer_record.h"

#include "edgesmith/ir/node_text.h"

namespace edgesmith::passes {

LayerRecord layer_record(const ir::Node& node, std::string status, const ir::Value* value) {
  LayerRecord record;
  const bool is_input = node.is(ir::OpKind::input);
  record.value = value == nullptr ? node.output().name() : value->name();
  record.node = is_input ? record.value : ir::name_or_label(node);
  record.op = is_input ? "input" : ir::operator_text(node);
  record.status = std::move(status);
  return record;
}

}  // namespace edgesmith::passes
