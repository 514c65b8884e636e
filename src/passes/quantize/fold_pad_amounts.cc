// SPDX-License-Identifier: Apache-2.0
// Exporters write the amounts of a Pad as a dozen operators on constants (PyTorch reverses its list of pads in the
// graph). Files that were simplified before have none of them.
#include "passes/quantize/fold_pad_amounts.h"

#include <algorithm>

#include "edgesmith/ops/op_info.h"

namespace edgesmith::passes::quantize {
namespace {

using ir::OpKind;

// Amounts of tensors of any rank have fewer elements at every step.
constexpr int64_t kMostElements = 64;

// Marks what the operands of Pads but the first are computed from, by node id.
std::vector<bool> sources_of_amounts(const ir::Graph& graph) {
  std::vector<ir::Node*> nodes;
  for (ir::Node& node : graph.nodes()) nodes.push_back(&node);
  std::vector<bool> sources(static_cast<size_t>(graph.num_node_ids()), false);
  for (size_t n = nodes.size(); n-- > 0;) {
    const bool pad = nodes[n]->is(OpKind::pad), source = sources[static_cast<size_t>(nodes[n]->id())];
    if (!pad && !source) continue;
    for (int i = source ? 0 : 1; i < nodes[n]->num_inputs(); ++i) {
      if (nodes[n]->input(i) != nullptr) sources[static_cast<size_t>(nodes[n]->input(i)->node().id())] = true;
    }
  }
  return sources;
}

bool is_foldable(const ir::Node& node) {
  if (node.op() <= OpKind::opaque || node.num_inputs() == 0 || node.num_outputs() != 1 || node.output().quant())
    return false;
  for (int i = 0; i < node.num_inputs(); ++i) {
    const ir::Tensor* tensor = node.input(i) != nullptr ? node.input(i)->constant() : nullptr;
    const bool plain =
        tensor != nullptr && tensor->encoding() == ir::Encoding::dense && tensor->size() <= kMostElements;
    if (node.input(i) != nullptr && !plain) return false;
  }
  const auto dims = node.output().type().static_dims();
  return dims && ir::num_elements(*dims) <= kMostElements;
}

}  // namespace

Status fold_pad_amounts(ir::Graph& graph) {
  const std::vector<bool> sources = sources_of_amounts(graph);
  for (ir::Node& node : graph.nodes()) {
    const auto id = static_cast<size_t>(node.id());
    if (id >= sources.size() || !sources[id] || !is_foldable(node)) continue;
    std::vector<const ir::Tensor*> operands;
    for (int i = 0; i < node.num_inputs(); ++i) {
      operands.push_back(node.input(i) != nullptr ? node.input(i)->constant() : nullptr);
    }
    auto folded = ops::eval_node(node, operands);
    if (!folded && folded.error().kind == ErrorKind::unsupported) continue;
    if (!folded) return folded.error();
    std::vector<ir::Node*> before;
    for (int i = 0; i < node.num_inputs(); ++i) {
      if (node.input(i) != nullptr) before.push_back(&node.input(i)->node());
    }
    ir::Value& constant = graph.add_constant(std::move((*folded)[0]), node.output().name(), &node);
    graph.replace_all_uses(node.output(), constant);
    graph.erase(node);
    for (ir::Node* source : before) {
      if (!source->erased() && source->output().unused()) graph.erase(*source);
    }
  }
  return {};
}

}  // namespace edgesmith::passes::quantize
