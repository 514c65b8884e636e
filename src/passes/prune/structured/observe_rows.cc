// SPDX-License-Identifier: Apache-2.0
#include "passes/prune/structured/observe_rows.h"

#include <optional>
#include <set>

#include "passes/prune/structured/prefix.h"

namespace edgesmith::passes::prune {
namespace {

using quantize::Stream;

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
