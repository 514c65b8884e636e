// SPDX-License-Identifier: Apache-2.0
// Rules about the file and the shapes of values.
#include "edgesmith/onnx/import.h"
#include "refine/target_check/rules.h"

namespace edgesmith::refine {
namespace {

void check_opset(const ir::Graph& graph, const targets::Limits& limits, Findings& findings) {
  const int64_t opset = onnx::source_info(graph).opset;
  if (!limits.opset || opset == 0) return;  // 0: the graph came from no ONNX file
  const auto [least, largest] = *limits.opset;
  if (opset >= least && opset <= largest) return;
  findings.refuse(nullptr, "opset", std::to_string(opset), std::to_string(least) + " to " + std::to_string(largest),
                  "export the model with opset " + std::to_string(opset < least ? least : largest));
}

void check_input(const ir::Value& input, const targets::Limits& limits, Findings& findings) {
  const auto& shape = input.type().shape;
  if (!shape) return;
  for (size_t d = 0; d < shape->size(); ++d) {
    const ir::Dim& dim = (*shape)[d];
    const bool may_be_free =
        limits.free_dims == targets::FreeDims::any || (limits.free_dims == targets::FreeDims::batch && d == 0);
    if (dim.known() || may_be_free) continue;
    const bool none = limits.free_dims == targets::FreeDims::none;
    findings.refuse(nullptr, "free-dims",
                    "dim " + std::to_string(d) + " of input '" + input.name() + "' is " + dim.text(),
                    none ? "none" : "the batch alone", "export the model with fixed shapes");
  }
  const bool batched = limits.batch && shape->size() >= 2 && (*shape)[0].known();
  if (batched && (*shape)[0].value() > *limits.batch) {
    findings.refuse(nullptr, "batch", std::to_string((*shape)[0].value()) + " in input '" + input.name() + "'",
                    std::to_string(*limits.batch), "export the model with a batch of 1");
  }
}

}  // namespace

void check_shapes(const ir::Graph& graph, const targets::Target& target, Findings& findings) {
  check_opset(graph, target.limits, findings);
  for (const ir::Value* input : graph.inputs()) check_input(*input, target.limits, findings);
  if (!target.limits.rank) return;
  for (const ir::Node& node : graph.nodes()) {
    for (int i = 0; i < node.num_outputs() && !node.is(ir::OpKind::constant); ++i) {
      if (node.output(i).type().rank() <= *target.limits.rank) continue;
      findings.refuse(&node, "rank", std::to_string(node.output(i).type().rank()), std::to_string(*target.limits.rank),
                      "merge dims with a Reshape");
    }
  }
}

}  // namespace edgesmith::refine
