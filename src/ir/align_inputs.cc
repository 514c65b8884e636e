// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/ir/align_inputs.h"

#include <algorithm>

namespace edgesmith::ir {

void align_inputs(Graph& graph, const Graph& fed) {
  const std::vector<Value*> own = graph.inputs(), wanted = fed.inputs();
  const auto named = [](const std::vector<Value*>& inputs, const std::string& name) {
    const auto found = std::find_if(inputs.begin(), inputs.end(), [&](const Value* v) { return v->name() == name; });
    return found == inputs.end() ? nullptr : *found;
  };
  const auto is_known = [&](const Value* input) { return named(wanted, input->name()) != nullptr; };
  if (own.empty() || !std::all_of(own.begin(), own.end(), is_known)) return;
  const auto same = [](const Value* a, const Value* b) { return a->name() == b->name(); };
  if (std::equal(own.begin(), own.end(), wanted.begin(), wanted.end(), same)) return;
  Node* behind = &own.front()->node();
  while (behind->is(OpKind::input)) behind = behind->next();
  for (const Value* input : wanted) {
    Value* known = named(own, input->name());
    graph.move_before((known != nullptr ? *known : graph.add_input(input->name(), input->type())).node(), *behind);
  }
}

}  // namespace edgesmith::ir
