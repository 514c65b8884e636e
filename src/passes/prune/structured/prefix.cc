// SPDX-License-Identifier: Apache-2.0
#include "passes/prune/structured/prefix.h"

namespace edgesmith::passes::prune {

using quantize::Runner;
using quantize::Stream;

Prefix::Prefix(const ir::Graph& whole, const std::set<int>& ids) : graph_(whole.clone()) {
  std::vector<ir::Value*> values(static_cast<size_t>(graph_.num_value_ids()), nullptr);
  for (ir::Node& node : graph_.nodes()) {
    for (int i = 0; i < node.num_outputs(); ++i) values[static_cast<size_t>(node.output(i).id())] = &node.output(i);
  }
  result_.assign(values.size(), -1);
  input_.assign(values.size(), -1);
  const std::vector<ir::Value*> inputs = graph_.inputs();
  for (size_t i = 0; i < inputs.size(); ++i) input_[static_cast<size_t>(inputs[i]->id())] = static_cast<int>(i);
  std::vector<int> made;
  for (const int id : ids) {
    if (input_[static_cast<size_t>(id)] < 0) made.push_back(id);
  }
  const int before = graph_.num_outputs();
  for (size_t i = 0; i < made.size(); ++i) {
    ir::Value& value = *values[static_cast<size_t>(made[i])];
    result_[static_cast<size_t>(made[i])] = static_cast<int>(i);
    static_cast<int>(i) < before ? graph_.set_input(graph_.output_node(), static_cast<int>(i), &value)
                                 : graph_.add_output("observed" + std::to_string(i), value);
  }
  runs_ = !made.empty();
  for (int i = static_cast<int>(made.size()); runs_ && i < before; ++i) {
    graph_.set_input(graph_.output_node(), i, values[static_cast<size_t>(made[0])]);
  }
  for (ir::Node* node = graph_.output_node().previous(); node != nullptr;) {
    ir::Node* previous = node->previous();
    bool used = node->is(ir::OpKind::input);
    for (int i = 0; i < node->num_outputs(); ++i) used = used || !node->output(i).unused();
    if (!used) graph_.erase(*node);
    node = previous;
  }
}

Status Prefix::create(int num_threads) {
  if (!runs_) return {};
  auto runner = Runner::create(graph_, num_threads);
  if (!runner) return runner.error();
  runner_ = std::move(*runner);
  return {};
}

Result<std::vector<ir::Tensor>> Prefix::run(const Stream::Batch& batch) {
  if (!runs_) return std::vector<ir::Tensor>{};
  return runner_->run(batch);
}

ir::Tensor Prefix::value(int id, const std::vector<ir::Tensor>& results, const Stream::Batch& batch) const {
  const auto at = static_cast<size_t>(id);
  return (input_[at] >= 0 ? batch.inputs[static_cast<size_t>(input_[at])] : results[static_cast<size_t>(result_[at])])
      .dense();
}

}  // namespace edgesmith::passes::prune
