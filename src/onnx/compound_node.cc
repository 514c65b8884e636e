// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/onnx/compound_node.h"

#include "edgesmith/ir/subgraphs.h"
#include "edgesmith/ops/op_info.h"
#include "onnx/compound.h"

namespace edgesmith::onnx {

Result<std::shared_ptr<const ir::Subgraphs>> spell_out(const CompoundRow& row, ir::Attributes attributes,
                                                       const std::vector<std::string_view>& operands,
                                                       const std::vector<ir::Type>& types,
                                                       const std::vector<std::string_view>& outputs) {
  ir::Graph graph;
  std::vector<ir::Value*> values;
  for (size_t i = 0; i < operands.size(); ++i) {
    ir::Value& value = graph.add_input(std::string(operands[i]), {types[i].dtype, std::nullopt});
    values.push_back(operands[i].empty() ? nullptr : &value);
  }
  Emitter emit(graph, values, types, std::move(attributes), static_cast<int>(outputs.size()));
  if (const std::string reason = emit_compound(row, emit); !reason.empty()) return unsupported_error(reason);
  if (!emit.has_results(outputs)) return unsupported_error("one of its outputs is not known");
  for (ir::Value* result : emit.results()) graph.add_output("", result != nullptr ? *result : *emit.results().front());
  for (const ir::Node& inner : graph.nodes()) EDGESMITH_TRY(ops::verify_node(inner));
  auto out = std::make_shared<ir::Subgraphs>();
  out->num_inputs = static_cast<int>(operands.size());
  out->graphs.push_back(std::move(graph));
  return std::shared_ptr<const ir::Subgraphs>(std::move(out));
}

Result<ir::Node*> insert_compound(ir::Graph& graph, ir::Node& position, std::string_view op,
                                  const std::vector<ir::Value*>& inputs, int num_outputs, ir::Attributes attributes) {
  const CompoundRow* row = find_compound(op);
  if (row == nullptr) return unsupported_error(std::string(op) + " is no compound operator that is known");
  std::vector<std::string_view> operands;
  std::vector<ir::Type> types;
  for (const ir::Value* input : inputs) {
    operands.push_back(input != nullptr ? "x" : "");
    types.push_back(input != nullptr ? input->type() : ir::Type());
  }
  auto subgraphs = spell_out(*row, attributes, operands, types,
                             std::vector<std::string_view>(static_cast<size_t>(num_outputs), "y"));
  if (!subgraphs) return subgraphs.error().in(std::string(op));
  ir::Node& node = graph.insert_before(position, ir::OpKind::opaque, inputs, num_outputs);
  node.opaque_op = op;
  node.attributes() = std::move(attributes);
  node.subgraphs = std::move(*subgraphs);
  return &node;
}

}  // namespace edgesmith::onnx
