// SPDX-License-Identifier: Apache-2.0
#include "passes/prune/structured/observe_rows.h"

#include <algorithm>
#include <optional>
#include <set>

namespace edgesmith::passes::prune {
namespace {

using quantize::Runner;
using quantize::Stream;

// A graph cut down to what makes some of its values, which are its results.
class Prefix {
 public:
  Prefix(const ir::Graph& whole, const std::set<int>& ids) : graph_(whole.clone()) {
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

  Status create(int num_threads) {
    if (!runs_) return {};
    auto runner = Runner::create(graph_, num_threads);
    if (!runner) return runner.error();
    runner_ = std::move(*runner);
    return {};
  }

  Result<std::vector<ir::Tensor>> run(const Stream::Batch& batch) {
    if (!runs_) return std::vector<ir::Tensor>{};
    return runner_->run(batch);
  }

  ir::Tensor value(int id, const std::vector<ir::Tensor>& results, const Stream::Batch& batch) const {
    const auto at = static_cast<size_t>(id);
    return (input_[at] >= 0 ? batch.inputs[static_cast<size_t>(input_[at])] : results[static_cast<size_t>(result_[at])])
        .dense();
  }

 private:
  ir::Graph graph_;
  std::vector<int> result_, input_;  // by value id: index among the results or graph inputs, or -1
  bool runs_ = false;
  std::optional<Runner> runner_;
};

// Rows of the batches in flight.
struct Slots {
  std::vector<std::vector<float>> rows{static_cast<size_t>(Stream::kSlots)};
  std::vector<int64_t> counts = std::vector<int64_t>(static_cast<size_t>(Stream::kSlots), 0);
};

}  // namespace

Status observe_rows(const ir::Graph& graph, const ir::Graph* original, std::vector<WantedRows>& wanted,
                    const Stream& stream) {
  std::set<int> ids, targets;
  std::vector<int64_t> rows_per_batch;
  for (WantedRows& want : wanted) {
    ids.insert(want.layer->node->input(want.layer->mixing.input)->id());
    if (want.minus >= 0) ids.insert(want.minus);
    if (want.target >= 0) targets.insert(want.target);
    const int64_t outputs = want.target >= 0 ? static_cast<int64_t>(want.kept.size()) : 0;
    want.sums = RowSums(inputs_of_row(*want.layer) + 1 + outputs);
    rows_per_batch.push_back(RowPlan(*want.layer, stream.num_batches()).rows_per_batch);
  }
  Prefix now(graph, ids);
  EDGESMITH_TRY(now.create(stream.num_threads()));
  std::optional<Prefix> before;
  if (original != nullptr && !targets.empty()) {
    before.emplace(*original, targets);
    EDGESMITH_TRY(before->create(stream.num_threads()));
  }
  std::vector<Slots> slots(wanted.size());
  const auto work = [&](const Stream::Batch& batch) -> Status {
    auto results = now.run(batch);
    if (!results) return results.error();
    std::vector<ir::Tensor> exact;
    if (before) {
      auto run = before->run(batch);
      if (!run) return run.error();
      exact = std::move(*run);
    }
    for (size_t w = 0; w < wanted.size(); ++w) {
      const WantedRows& want = wanted[w];
      const ir::Node& node = *want.layer->node;
      const ir::Tensor input = now.value(node.input(want.layer->mixing.input)->id(), *results, batch);
      ir::Tensor target, minus;
      RowSource source{&node, &input, nullptr, nullptr, want.kept};
      if (want.target >= 0) {
        target = before->value(want.target, exact, batch);
        source.target = &target;
      }
      if (want.minus >= 0) {
        minus = now.value(want.minus, *results, batch);
        source.minus = &minus;
      }
      const auto slot = static_cast<size_t>(batch.slot);
      auto taken =
          take_rows(*want.layer, source, rows_per_batch[w], batch.index, want.sums.width(), slots[w].rows[slot]);
      if (!taken) return taken.error();
      slots[w].counts[slot] = *taken;
    }
    return {};
  };
  const auto fold = [&](int batches) {
    std::vector<float> joined;
    for (size_t w = 0; w < wanted.size(); ++w) {
      const int64_t width = wanted[w].sums.width();
      int64_t count = 0;
      joined.clear();
      for (size_t slot = 0; slot < static_cast<size_t>(batches); ++slot) {
        const auto first = slots[w].rows[slot].begin();
        joined.insert(joined.end(), first, first + slots[w].counts[slot] * width);
        count += slots[w].counts[slot];
      }
      joined.resize(joined.size() + RowSums::kReadAhead, 0.0F);
      if (count > 0) wanted[w].sums.add(joined.data(), count, stream.pool());
    }
  };
  return stream.run("observe layers", work, fold);
}

}  // namespace edgesmith::passes::prune
