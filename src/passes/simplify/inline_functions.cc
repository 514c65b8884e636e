// SPDX-License-Identifier: Apache-2.0
// Puts the nodes of functions that the model defines in the place of their calls, at any depth.
//
//   %y = acme::Gate(%x), Gate(a) = mul(a, sigmoid(a))     =>   %s = sigmoid %x   %y = mul %x, %s
//
// A call stays where the function cannot mean the same outside of itself: it holds an operator that is not known here
// together with an attribute of the call, or of an opset that the model does not import.
#include "edgesmith/ir/subgraphs.h"
#include "passes/rewrite.h"

namespace edgesmith::passes {
namespace {

bool is_call(const ir::Node& node) { return node.subgraphs != nullptr && node.subgraphs->local; }

// Inlines the calls that are there now; those inside of them come to light for the next round. Returns how many.
int inline_round(ir::Graph& graph) {
  int count = 0;
  for (ir::Node& node : graph.nodes()) {
    if (!is_call(node) || !node.subgraphs->movable) continue;
    const std::shared_ptr<const ir::Subgraphs> subgraphs = node.subgraphs;  // they outlive the node
    std::vector<ir::Value*> operands;
    for (int i = 0; i < node.num_inputs(); ++i) operands.push_back(node.input(i));
    count += ir::inline_graph(graph, node, subgraphs->graphs.front(), operands) ? 1 : 0;
  }
  return count;
}

Result<Change> run_inline_functions(ir::Graph& graph, const Options&, PassContext& context) {
  int inlined = 0;
  while (const int count = inline_round(graph)) inlined += count;
  for (const ir::Node& node : graph.nodes()) {
    if (is_call(node)) context.notes.push_back(node.label() + ": the call stays, its function depends on its place");
  }
  if (inlined == 0) return Change::none;
  context.notes.push_back("calls of functions inlined: " + std::to_string(inlined));
  return Change::changed;
}

}  // namespace

extern const PassInfo inline_functions_pass = {"inline-functions",
                                               "put functions that the model defines in the place of their calls",
                                               no_options,
                                               run_inline_functions,
                                               false,
                                               false};

}  // namespace edgesmith::passes
