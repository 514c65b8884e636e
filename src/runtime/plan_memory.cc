// SPDX-License-Identifier: Apache-2.0
// The activation memory that a device needs for one sample: every value in one arena, annotated values as codes.
#include "edgesmith/ir/structural.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/runtime/executor.h"
#include "runtime/shape_plan.h"

namespace edgesmith::runtime {

namespace {

// The clamp that is the only reader of the node's only output: it needs no memory of its own.
const ir::Node* activation_of(const ir::Node& node) {
  if (node.num_outputs() != 1 || node.output().uses().size() != 1 || node.output().quant()) return nullptr;
  const ir::Use use = node.output().uses()[0];
  return use.index == 0 && (use.node->is(ir::OpKind::relu) || use.node->is(ir::OpKind::clip)) ? use.node : nullptr;
}

// Steps as a device runs them, without choosing kernels or touching weights.
std::vector<Step> device_steps(const Program& program) {
  const ir::Graph& graph = *program.graph;
  std::vector<Step> steps;
  std::vector<bool> fused(static_cast<size_t>(graph.num_node_ids()));
  for (const ir::Node& node : graph.nodes()) {
    if (ir::is_structural(node) || fused[static_cast<size_t>(node.id())]) continue;
    Step step = plain_step(program, node);
    step.view = is_view(node);
    if (!step.view) step.activation = activation_of(node);
    if (step.activation != nullptr) {
      fused[static_cast<size_t>(step.activation->id())] = true;
      step.results = {program.slot(step.activation->output(), Rep::reals)};
    }
    steps.push_back(step);
  }
  return steps;
}

}  // namespace

Result<MemoryPlan> plan_memory(const ir::Graph& graph) {
  std::vector<ir::Dims> inputs;
  for (const ir::Value* input : graph.inputs()) {
    ir::Dims& dims = inputs.emplace_back();
    if (!input->type().shape) continue;
    for (const ir::Dim& dim : *input->type().shape) dims.push_back(dim.known() ? dim.value() : 1);
  }
  auto dims = ops::infer_dims(graph, inputs);
  if (!dims) return dims.error();
  EDGESMITH_TRY(check_sizes(graph, *dims));
  Program program;
  program.graph = &graph;
  program.constants.resize(static_cast<size_t>(program.num_slots()));
  const ShapePlan plan = plan_shapes(program, device_steps(program), std::move(*dims),
                                     {.scratch = false, .every_value = true, .integer_codes = true, .alignment = 1});
  return MemoryPlan{plan.bytes, plan.lower_bound};
}

}  // namespace edgesmith::runtime
