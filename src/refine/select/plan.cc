// SPDX-License-Identifier: Apache-2.0
#include <set>

#include "edgesmith/refine/select.h"

namespace edgesmith::refine {

runtime::KernelChoices Plan::choices() const {
  runtime::KernelChoices out;
  for (const PlannedNode& node : nodes) {
    if (!node.fixed) out[node.id] = node.chosen.kernel;
  }
  return out;
}

runtime::ExecutorOptions Plan::executor(const runtime::ExecutorOptions& base) const {
  runtime::ExecutorOptions options;
  options.memory_limit = base.memory_limit;
  options.arithmetic = arithmetic;
  options.reassociate = reassociate;
  options.choices = choices();
  return options;
}

Status check_plan(const Plan& plan, const std::string& model_sha256, const ir::Graph& graph) {
  if (plan.model_sha256 != model_sha256) {
    return invalid_error("the plan is for a model with sha256 " + plan.model_sha256 + ", this one has " + model_sha256,
                         "make a plan for this model with 'edgesmith select'");
  }
  std::set<int> ids;
  for (const ir::Node& node : graph.nodes()) ids.insert(node.id());
  for (const PlannedNode& node : plan.nodes) {
    if (!ids.contains(node.id)) {
      return invalid_error("the plan's node '" + node.node + "' has the id " + std::to_string(node.id) +
                           ", which no node of the model has");
    }
  }
  return {};
}

}  // namespace edgesmith::refine
