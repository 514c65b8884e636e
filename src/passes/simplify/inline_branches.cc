// SPDX-License-Identifier: Apache-2.0
// Puts the branch that is taken in the place of an If whose condition is constant.
//
//   %y = If(true) { then: relu(%x), else: neg(%x) }     =>   %y = relu %x
//
// Conditions often compare shapes: fold-constants makes them constant first.
#include "edgesmith/ir/subgraphs.h"
#include "passes/rewrite.h"

namespace edgesmith::passes {
namespace {

// The branch that is taken, or null.
const ir::Graph* taken_branch(const ir::Node& node) {
  if (node.subgraphs == nullptr || node.subgraphs->kind != ir::Subgraphs::Kind::branches) return nullptr;
  const ir::Tensor* condition = plain_constant(node, 0);
  if (condition == nullptr || condition->dtype() != ir::DType::boolean || condition->size() != 1) return nullptr;
  return &node.subgraphs->graphs[condition->dense().data<bool>()[0] ? 0 : 1];
}

Result<Change> run_inline_branches(ir::Graph& graph, const Options&, PassContext&) {
  Change change = Change::none;
  for (ir::Node& node : graph.nodes()) {
    const std::shared_ptr<const ir::Subgraphs> subgraphs = node.subgraphs;  // they outlive the node
    const ir::Graph* branch = taken_branch(node);
    if (branch == nullptr) continue;
    std::vector<ir::Value*> outer;
    for (int i = subgraphs->num_inputs; i < node.num_inputs(); ++i) outer.push_back(node.input(i));
    if (ir::inline_graph(graph, node, *branch, outer)) change = Change::changed;
  }
  return change;
}

}  // namespace

extern const PassInfo inline_branches_pass = {"inline-branches",
                                              "replace an If whose condition is constant by the branch taken",
                                              no_options,
                                              run_inline_branches,
                                              false,
                                              false};

}  // namespace edgesmith::passes
