// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/passes/weight_facts.h"

#include <algorithm>

#include "edgesmith/base/interruptible.h"
#include "edgesmith/ops/op_info.h"

namespace edgesmith::passes {
namespace {

template <typename Number>
int64_t count_distinct(std::vector<Number> numbers) {
  std::sort(numbers.begin(), numbers.end());
  return std::unique(numbers.begin(), numbers.end()) - numbers.begin();
}

void look_at(const ir::Tensor& tensor, WeightFacts& facts) {
  std::vector<float> numbers = tensor.to_floats();
  facts.elements = tensor.size();
  facts.nonzero = facts.elements - std::count(numbers.begin(), numbers.end(), 0.0F);
  if (tensor.encoding() == ir::Encoding::affine) {
    facts.distinct = count_distinct(tensor.codes().to_int64s());
    return;
  }
  // A number that is none differs from itself; one such is enough.
  const auto end = std::remove_if(numbers.begin(), numbers.end(), [](float number) { return number != number; });
  const int64_t nan = end != numbers.end() ? 1 : 0;
  numbers.erase(end, numbers.end());
  facts.distinct = count_distinct(std::move(numbers)) + nan;
}

}  // namespace

Result<ModelFacts> find_weight_facts(const ir::Graph& graph, ThreadPool& pool) {
  auto channels = find_dead_channels(graph);
  if (!channels) return channels.error();
  ModelFacts facts;
  std::vector<bool> seen(static_cast<size_t>(graph.num_value_ids()), false);
  for (const ir::Node& node : graph.nodes()) {
    for (int i = 0; i < node.num_inputs(); ++i) {
      const ir::Value* value = node.input(i);
      const ir::Tensor* tensor = value != nullptr ? value->constant() : nullptr;
      if (tensor == nullptr || tensor->rank() < 2 || tensor->size() == 0 || !ir::is_float(tensor->dtype())) continue;
      if (node.is(ir::OpKind::output) || seen[static_cast<size_t>(value->id())]) continue;
      seen[static_cast<size_t>(value->id())] = true;
      WeightFacts own{.node = &node, .value = value};
      const auto layer = std::find_if(channels->layers.begin(), channels->layers.end(),
                                      [&](const LayerChannels& known) { return known.node_id == node.id(); });
      const bool weight = !node.is(ir::OpKind::opaque) && ops::quant_facts(node).weight_operand == i;
      if (weight && layer != channels->layers.end()) own.channels = *layer;
      facts.weights.push_back(std::move(own));
    }
  }
  interruptible_for(pool, static_cast<int64_t>(facts.weights.size()), [&](int64_t index, int) {
    WeightFacts& own = facts.weights[static_cast<size_t>(index)];
    look_at(*own.value->constant(), own);
  });
  EDGESMITH_TRY(check_interrupted());
  for (const WeightFacts& own : facts.weights) {
    facts.elements += own.elements;
    facts.nonzero += own.nonzero;
  }
  for (const LayerChannels& layer : channels->layers) {
    facts.dead += layer.dead;
    facts.duplicate += layer.duplicate;
  }
  facts.removable = channels->removable;
  return facts;
}

}  // namespace edgesmith::passes
