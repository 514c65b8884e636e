// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/masks.h"

#include <algorithm>

namespace edgesmith::passes::quantize {
namespace {

using ir::OpKind;

bool hands_on(OpKind op) {
  switch (op) {
    case OpKind::add:
    case OpKind::sub:
    case OpKind::mul:
    case OpKind::where:
    case OpKind::min:
    case OpKind::max:
    case OpKind::identity:
    case OpKind::reshape:
    case OpKind::transpose:
    case OpKind::unsqueeze:
    case OpKind::squeeze:
    case OpKind::expand:
    case OpKind::slice:
    case OpKind::concat: return true;
    default: return false;
  }
}

/// By value id: what ends in a Softmax.
std::vector<bool> leads_to_softmax(const ir::Graph& graph) {
  std::vector<bool> leads(static_cast<size_t>(graph.num_value_ids()), false);
  std::vector<const ir::Node*> order;
  for (const ir::Node& node : graph.nodes()) order.push_back(&node);
  for (auto node = order.rbegin(); node != order.rend(); ++node) {
    const bool softmax = (*node)->is(OpKind::softmax) || (*node)->is(OpKind::log_softmax);
    if (!softmax && !(hands_on((*node)->op()) && leads[static_cast<size_t>((*node)->output().id())])) continue;
    for (int i = 0; i < (*node)->num_inputs(); ++i) {
      if ((*node)->input(i) != nullptr) leads[static_cast<size_t>((*node)->input(i)->id())] = true;
    }
  }
  return leads;
}

}  // namespace

std::vector<bool> nodes_on_masks(const ir::Graph& graph, const std::vector<Range>& seen) {
  const std::vector<bool> leads = leads_to_softmax(graph);
  std::vector<bool> on_mask(static_cast<size_t>(graph.num_node_ids()), false);
  for (const ir::Node& node : graph.nodes()) {
    for (int i = 0; i < node.num_outputs(); ++i) {
      const ir::Value& value = node.output(i);
      const float lowest = seen[static_cast<size_t>(value.id())].min;
      const bool endless = lowest == -std::numeric_limits<float>::infinity();
      if (!endless && (lowest > kMask || !leads[static_cast<size_t>(value.id())])) continue;
      on_mask[static_cast<size_t>(node.id())] = true;
      for (const ir::Use& use : value.uses()) on_mask[static_cast<size_t>(use.node->id())] = true;
    }
  }
  return on_mask;
}

}  // namespace edgesmith::passes::quantize
