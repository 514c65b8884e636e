// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/refine/target_check.h"

#include "edgesmith/ir/structural.h"
#include "refine/target_check/rules.h"

namespace edgesmith::refine {

void Findings::refuse(const ir::Node* node, std::string rule, std::string value, std::string limit, std::string fix) {
  check.violations.push_back(
      {node != nullptr ? node->label() : "", std::move(rule), std::move(value), std::move(limit), std::move(fix)});
}

void Findings::hint(const ir::Node* node, std::string rule, std::string value, std::string limit, std::string fix) {
  check.hints.push_back(
      {node != nullptr ? node->label() : "", std::move(rule), std::move(value), std::move(limit), std::move(fix)});
}

TargetCheck check_target(const ir::Graph& graph, const targets::Target& target) {
  TargetCheck check;
  Findings findings{check};
  check_memory(graph, target, findings);
  check_shapes(graph, target, findings);
  for (const ir::Node& node : graph.nodes()) {
    if (!ir::is_structural(node)) check_node(node, target, findings);
  }
  check_codes(graph, target, findings);
  check_pair_sums(graph, target, findings);
  return check;
}

}  // namespace edgesmith::refine
