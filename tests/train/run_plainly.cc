// SPDX-License-Identifier: Apache-2.0
#include "train/run_plainly.h"

#include "edgesmith/ops/op_info.h"

namespace edgesmith::train {
namespace {

size_t index_of(const ir::Value& value) { return static_cast<size_t>(value.id()); }

std::vector<bool> needed_values(const ir::Graph& graph, const std::vector<const ir::Value*>& wanted) {
  std::vector<bool> needed(static_cast<size_t>(graph.num_value_ids()), false);
  for (const ir::Value* value : wanted) needed[index_of(*value)] = true;
  for (const ir::Node* node = &graph.output_node(); node != nullptr; node = node->previous()) {
    bool leads = false;
    for (int i = 0; i < node->num_outputs(); ++i) leads = leads || needed[index_of(node->output(i))];
    for (int i = 0; leads && i < node->num_inputs(); ++i) {
      if (node->input(i) != nullptr) needed[index_of(*node->input(i))] = true;
    }
  }
  return needed;
}

}  // namespace

Result<std::vector<ir::Tensor>> run_plainly(const ir::Graph& graph, const std::vector<ir::Tensor>& inputs,
                                            const std::vector<const ir::Value*>& wanted) {
  const std::vector<bool> needed = needed_values(graph, wanted);
  std::vector<ir::Tensor> tensors(needed.size());
  const std::vector<ir::Value*> fed = graph.inputs();
  for (size_t i = 0; i < fed.size(); ++i) tensors[index_of(*fed[i])] = inputs[i];
  for (const ir::Node& node : graph.nodes()) {
    if (node.num_outputs() == 0 || node.is(ir::OpKind::input)) continue;
    if (node.is(ir::OpKind::constant)) {
      tensors[index_of(node.output())] = node.tensor().dense();
      continue;
    }
    bool leads = false;
    for (int i = 0; i < node.num_outputs(); ++i) leads = leads || needed[index_of(node.output(i))];
    if (!leads) continue;
    std::vector<const ir::Tensor*> operands;
    for (int i = 0; i < node.num_inputs(); ++i) {
      operands.push_back(node.input(i) != nullptr ? &tensors[index_of(*node.input(i))] : nullptr);
    }
    auto outputs = ops::eval_node(node, operands);
    if (!outputs) return outputs.error();
    for (int i = 0; i < node.num_outputs(); ++i) {
      tensors[index_of(node.output(i))] = (*outputs)[static_cast<size_t>(i)];
    }
  }
  std::vector<ir::Tensor> results;
  for (const ir::Value* value : wanted) results.push_back(tensors[index_of(*value)]);
  return results;
}

}  // namespace edgesmith::train
