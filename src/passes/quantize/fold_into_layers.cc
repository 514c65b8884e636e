// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/fold_into_layers.h"

#include "passes/simplify/fuse_batch_normalization.h"
#include "passes/simplify/fuse_pad.h"

namespace edgesmith::passes::quantize {
namespace {

// The constants that a layer and the norm after it read: folding puts others in their place.
std::vector<ir::Node*> constants_of(ir::Node& norm) {
  std::vector<ir::Node*> constants;
  for (ir::Node* node : {&norm, &norm.input(0)->node()}) {
    for (int i = 1; i < node->num_inputs(); ++i) {
      ir::Value* input = node->input(i);
      if (input != nullptr && input->node().is(ir::OpKind::constant)) constants.push_back(&input->node());
    }
  }
  return constants;
}

}  // namespace

void fold_pads_into_layers(ir::Graph& graph) {
  for (ir::Node& node : graph.nodes()) {
    if (!node.is(ir::OpKind::conv)) continue;
    ir::Node& before = node.input(0)->node();
    if (fuse_pad(graph, node) && before.output().unused()) graph.erase(before);
  }
}

int fold_norms_into_layers(ir::Graph& graph, const std::vector<bool>& selected) {
  const auto chosen = [&](const ir::Node& node) {
    const auto id = static_cast<size_t>(node.id());
    return id >= selected.size() || selected[id];
  };
  int norms = 0;
  for (ir::Node& node : graph.nodes()) {
    if (!node.is(ir::OpKind::batch_normalization) || !chosen(node) || !chosen(node.input(0)->node())) continue;
    const std::vector<ir::Node*> constants = constants_of(node);
    if (!fuse_batch_normalization(graph, node)) continue;
    ++norms;
    for (ir::Node* constant : constants) {
      if (!constant->erased() && constant->output().unused()) graph.erase(*constant);
    }
  }
  return norms;
}

int count_foldable_norms(ir::Graph& graph) {
  int norms = 0;
  for (ir::Node& node : graph.nodes()) norms += folds_into_layer(node) ? 1 : 0;
  return norms;
}

}  // namespace edgesmith::passes::quantize
