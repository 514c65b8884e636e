// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "edgesmith/ops/op_info.h"
#include "passes/quantize/node_form.h"
#include "passes/student/student.h"

namespace edgesmith::passes {
namespace {

using ir::OpKind;

void fill(ir::Graph& graph, const ir::Node& node, int index, float number) {
  const ir::Value* value = node.input(index);
  if (value == nullptr || value->constant() == nullptr || value->constant()->dtype() != ir::DType::f32) return;
  const std::vector<float> numbers(static_cast<size_t>(value->constant()->size()), number);
  graph.set_tensor(value->node(), ir::Tensor::of<float>(value->constant()->dims(), numbers));
}

// Whether a layer's result is added to something else that is computed.
bool goes_into_sum(const ir::Node& node) {
  if (node.output().uses().size() != 1) return false;
  const ir::Use use = node.output().uses()[0];
  return use.node->is(OpKind::add) && use.node->input(1 - use.index)->constant() == nullptr;
}

}  // namespace

void set_fresh_weights(ir::Graph& graph, Random& random) {
  int64_t sums = 0;
  for (const ir::Node& node : graph.nodes())
    sums += quantize::weight_of(node) != nullptr && goes_into_sum(node) ? 1 : 0;
  std::vector<bool> drawn(static_cast<size_t>(graph.num_value_ids()), false);
  for (const ir::Node& node : graph.nodes()) {
    switch (node.op()) {
      case OpKind::batch_normalization:
        fill(graph, node, 3, 0);
        fill(graph, node, 4, 1);
        [[fallthrough]];
      case OpKind::instance_normalization:
      case OpKind::layer_normalization:
      case OpKind::group_normalization:
        fill(graph, node, 1, 1);
        fill(graph, node, 2, 0);
        continue;
      default: break;
    }
    const ir::Value* weight = quantize::weight_of(node);
    if (weight == nullptr || weight->constant()->dtype() != ir::DType::f32 || weight->constant()->rank() < 2) continue;
    if (drawn[static_cast<size_t>(weight->id())]) continue;
    drawn[static_cast<size_t>(weight->id())] = true;
    const ir::Dims dims = weight->constant()->dims();
    const int64_t outputs = dims[static_cast<size_t>(quantize::weight_axis(node))];
    const double inputs =
        static_cast<double>(weight->constant()->size()) / static_cast<double>(std::max<int64_t>(1, outputs));
    const double shared = goes_into_sum(node) ? static_cast<double>(sums) : 1;
    const double deviation = std::sqrt(2 / std::max(1.0, inputs) / shared);
    std::vector<float> numbers;
    for (int64_t i = 0; i < weight->constant()->size(); ++i) {
      numbers.push_back(static_cast<float>(deviation * random.normal()));
    }
    graph.set_tensor(weight->node(), ir::Tensor::of<float>(dims, numbers));
    const int bias = ops::quant_facts(node).bias_operand;
    if (bias >= 0) fill(graph, node, bias, 0);
  }
}

}  // namespace edgesmith::passes
