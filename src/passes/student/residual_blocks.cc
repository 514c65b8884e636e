// SPDX-License-Identifier: Apache-2.0
//   s ──▶ conv ─▶ relu ─▶ conv ─▶ add ─▶        a block when the branch depends on s, what it computes goes nowhere
//   └──────────────────────────────▲            but into the add, and no other block lies in it
#include <cmath>

#include "passes/student/student.h"

namespace edgesmith::passes {
namespace {

// The nodes that `to` is computed from, as far as `from`; by node id. Empty when it does not depend on `from`, or when
// something in between is read elsewhere.
std::vector<bool> branch_between(const ir::Graph& graph, const ir::Value& from, const ir::Value& to,
                                 const ir::Node& add) {
  const auto at = [](const ir::Node& node) { return static_cast<size_t>(node.id()); };
  std::vector<bool> behind(static_cast<size_t>(graph.num_node_ids()), false), branch = behind;
  for (const ir::Node& node : graph.nodes()) {
    for (int i = 0; i < node.num_inputs(); ++i) {
      const ir::Value* operand = node.input(i);
      if (operand != nullptr && (operand == &from || behind[at(operand->node())])) behind[at(node)] = true;
    }
  }
  if (!behind[at(to.node())]) return {};
  branch[at(to.node())] = true;
  for (const ir::Node* node = &to.node(); node != nullptr; node = node->previous()) {
    if (!branch[at(*node)]) continue;
    for (int i = 0; i < node->num_inputs(); ++i) {
      const ir::Value* operand = node->input(i);
      if (operand != nullptr && operand != &from && behind[at(operand->node())]) branch[at(operand->node())] = true;
    }
  }
  for (const ir::Node& node : graph.nodes()) {
    if (!branch[at(node)]) continue;
    for (int i = 0; i < node.num_outputs(); ++i) {
      for (const ir::Use& use : node.output(i).uses()) {
        if (!branch[at(*use.node)] && use.node != &add) return {};
      }
    }
  }
  return branch;
}

}  // namespace

std::vector<ResidualBlock> find_residual_blocks(const ir::Graph& graph) {
  std::vector<ResidualBlock> blocks;
  std::vector<bool> in_block(static_cast<size_t>(graph.num_node_ids()), false);
  for (ir::Node& node : graph.nodes()) {
    if (!node.is(ir::OpKind::add)) continue;
    for (int i = 0; i < 2; ++i) {
      ir::Value &shortcut = *node.input(i), &result = *node.input(1 - i);
      if (shortcut.constant() != nullptr || shortcut.quant() || node.output().quant()) continue;
      if (!shortcut.type().has_rank() || !(shortcut.type() == node.output().type())) continue;
      const std::vector<bool> branch = branch_between(graph, shortcut, result, node);
      bool holds_another = false;
      for (const ResidualBlock& block : blocks) {
        holds_another = holds_another || (!branch.empty() && branch[static_cast<size_t>(block.add->id())]);
      }
      if (branch.empty() || holds_another) continue;
      blocks.push_back({&node, &shortcut});
      break;
    }
  }
  return blocks;
}

std::vector<bool> kept_blocks(size_t count, double share) {
  const auto kept = static_cast<size_t>(std::lround(static_cast<double>(count) * share));
  std::vector<bool> stays(count, false);
  // Block i stays where the count of those that do so steps up.
  for (size_t i = 0; i < count; ++i) stays[i] = (i + 1) * kept / count > i * kept / count;
  return stays;
}

}  // namespace edgesmith::passes
