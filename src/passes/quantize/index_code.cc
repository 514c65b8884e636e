// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/index_code.h"

#include <algorithm>
#include <array>
#include <vector>

namespace edgesmith::passes::quantize {
namespace {

using ir::OpKind;

// Operators whose operands from the second on say where or how much, not what.
constexpr std::array kIndexed = {
    OpKind::gather,
    OpKind::reshape,
    OpKind::slice,
    OpKind::resize,
    OpKind::expand,
    OpKind::tile,
    OpKind::squeeze,
    OpKind::unsqueeze,
    OpKind::split,
    OpKind::reduce_l1,
    OpKind::reduce_l2,
    OpKind::reduce_max,
    OpKind::reduce_min,
    OpKind::reduce_log_sum,
    OpKind::reduce_log_sum_exp,
    OpKind::reduce_mean,
    OpKind::reduce_sum,
    OpKind::reduce_prod,
    OpKind::reduce_sum_square,
};

// Operators whose result no longer holds the numbers of their operands: the walk back ends there.
constexpr std::array kEnds = {
    OpKind::input,           OpKind::constant,       OpKind::opaque,
    OpKind::shape,           OpKind::conv,           OpKind::gemm,
    OpKind::mat_mul,         OpKind::conv_transpose, OpKind::arg_max,
    OpKind::arg_min,         OpKind::softmax,        OpKind::sigmoid,
    OpKind::average_pool,    OpKind::max_pool,       OpKind::global_average_pool,
    OpKind::global_max_pool,
};

template <size_t N>
bool is_one_of(const std::array<OpKind, N>& kinds, const ir::Node& node) {
  return std::find(kinds.begin(), kinds.end(), node.op()) != kinds.end();
}

bool is_index_operand(const ir::Node& node, int index) {
  if (node.is(OpKind::range) || node.is(OpKind::constant_of_shape)) return true;
  if (node.is(OpKind::pad)) return index == 1 || index == 3;
  return index >= 1 && is_one_of(kIndexed, node);
}

}  // namespace

std::vector<bool> find_index_code(const ir::Graph& graph) {
  std::vector<bool> marked(static_cast<size_t>(graph.num_value_ids()), false);
  const auto mark = [&](const ir::Value& value) { marked[static_cast<size_t>(value.id())] = true; };
  const auto is_marked = [&](const ir::Value& value) { return marked[static_cast<size_t>(value.id())]; };
  std::vector<const ir::Node*> order;
  for (const ir::Node& node : graph.nodes()) order.push_back(&node);

  // Forwards: computed from shapes (and constants) alone.
  for (const ir::Node* node : order) {
    bool from_shape = node->is(OpKind::shape), only_shapes = !node->is(OpKind::opaque);
    for (int i = 0; i < node->num_inputs(); ++i) {
      const ir::Value* operand = node->input(i);
      if (operand == nullptr || operand->constant() != nullptr) continue;
      from_shape = from_shape || is_marked(*operand);
      only_shapes = only_shapes && (is_marked(*operand) || node->is(OpKind::shape));
    }
    if (!from_shape || !only_shapes) continue;
    for (int i = 0; i < node->num_outputs(); ++i) mark(node->output(i));
  }
  // Backwards: ends as an index.
  std::vector<bool> wanted(marked.size(), false);
  for (auto it = order.rbegin(); it != order.rend(); ++it) {
    const ir::Node& node = **it;
    bool passes_on = false;
    for (int i = 0; i < node.num_outputs(); ++i)
      passes_on = passes_on || wanted[static_cast<size_t>(node.output(i).id())];
    passes_on = passes_on && !is_one_of(kEnds, node);
    for (int i = 0; i < node.num_inputs(); ++i) {
      const ir::Value* operand = node.input(i);
      if (operand == nullptr || !(passes_on || is_index_operand(node, i))) continue;
      wanted[static_cast<size_t>(operand->id())] = true;
      mark(*operand);
    }
  }
  return marked;
}

}  // namespace edgesmith::passes::quantize
