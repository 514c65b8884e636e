// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/fold_weights.h"

#include <algorithm>

#include "edgesmith/ops/op_info.h"

namespace edgesmith::passes::quantize {
namespace {

using ir::OpKind;

bool moves_numbers(const ir::Node& node) {
  switch (node.op()) {
    case OpKind::identity:
    case OpKind::transpose:
    case OpKind::cast:
    case OpKind::reshape:
    case OpKind::flatten:
    case OpKind::squeeze:
    case OpKind::unsqueeze: return true;
    default: return false;
  }
}

/// Only layers read it, as their weight, or nodes of which the same holds. Every step goes forward in the graph.
bool becomes_weight(const ir::Value& value) {
  const auto fits = [](const ir::Use& use) {
    const ir::Node& reader = *use.node;
    if (reader.is(OpKind::output) || reader.is(OpKind::opaque)) return false;
    if (moves_numbers(reader)) return use.index == 0 && becomes_weight(reader.output());
    const bool layer = reader.is(OpKind::conv) || reader.is(OpKind::conv_transpose) || reader.is(OpKind::gemm) ||
                       reader.is(OpKind::mat_mul);
    const bool recurrent = reader.is(OpKind::lstm) || reader.is(OpKind::gru) || reader.is(OpKind::rnn);
    return (layer && use.index == 1) || (recurrent && (use.index == 1 || use.index == 2));
  };
  return !value.unused() && std::all_of(value.uses().begin(), value.uses().end(), fits);
}

bool has_plain_operands(const ir::Node& node) {
  for (int i = 0; i < node.num_inputs(); ++i) {
    const ir::Tensor* tensor = node.input(i) != nullptr ? node.input(i)->constant() : nullptr;
    if (node.input(i) != nullptr && (tensor == nullptr || tensor->encoding() != ir::Encoding::dense)) return false;
  }
  return true;
}

}  // namespace

Status fold_weights(ir::Graph& graph) {
  for (ir::Node& node : graph.nodes()) {
    // Of a constant that others read as well (a tied embedding) this would make a copy.
    if (!moves_numbers(node) || node.input(0)->uses().size() != 1 || !has_plain_operands(node) ||
        node.output().quant() || !becomes_weight(node.output())) {
      continue;
    }
    std::vector<const ir::Tensor*> operands;
    for (int i = 0; i < node.num_inputs(); ++i) {
      operands.push_back(node.input(i) != nullptr ? node.input(i)->constant() : nullptr);
    }
    auto folded = ops::eval_node(node, operands);
    if (!folded && folded.error().kind == ErrorKind::unsupported) continue;
    if (!folded) return folded.error();
    ir::Value& source = *node.input(0);
    ir::Value& constant = graph.add_constant(std::move((*folded)[0]), node.output().name(), &node);
    graph.replace_all_uses(node.output(), constant);
    graph.erase(node);
    if (source.unused()) graph.erase(source.node());
  }
  return {};
}

}  // namespace edgesmith::passes::quantize
