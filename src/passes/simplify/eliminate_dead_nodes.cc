// SPDX-License-Identifier: Apache-2.0
// Removes nodes that nothing reads. Graph inputs stay: they are the interface.
//
//   %a = relu %x     (unread)     =>   (nothing)
#include "passes/rewrite.h"

namespace edgesmith::passes {
namespace {

bool is_dead(const ir::Node& node) {
  if (node.is(ir::OpKind::input) || node.is(ir::OpKind::output)) return false;
  for (int i = 0; i < node.num_outputs(); ++i) {
    if (!node.output(i).unused()) return false;
  }
  return true;
}

Result<Change> run_eliminate_dead_nodes(ir::Graph& graph, const Options&, PassContext&) {
  Change change = Change::none;
  // Backwards, so that a chain goes in one walk.
  for (ir::Node* node = graph.output_node().previous(); node != nullptr;) {
    ir::Node* previous = node->previous();
    if (is_dead(*node)) {
      graph.erase(*node);
      change = Change::changed;
    }
    node = previous;
  }
  return change;
}

}  // namespace

extern const PassInfo eliminate_dead_nodes_pass = {
    "eliminate-dead-nodes", "remove nodes that nothing reads", no_options, run_eliminate_dead_nodes, false, false};

}  // namespace edgesmith::passes
