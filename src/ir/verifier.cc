// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/ir/verifier.h"

#include <cmath>

namespace edgesmith::ir {
namespace {

Error broken(const Node& node, const std::string& what) { return invalid_error(node.label() + ": " + what); }

Status verify_quant(const Value& value) {
  const Quant& quant = *value.quant();
  const Node& node = value.node();
  if (!is_integer(quant.dtype) || dtype_bits(quant.dtype) > 32) {
    return broken(node, "annotation has dtype " + std::string(dtype_name(quant.dtype)));
  }
  if (quant.scale.empty() || quant.scale.size() != quant.zero_point.size()) {
    return broken(node, "annotation has " + std::to_string(quant.scale.size()) + " scales and " +
                            std::to_string(quant.zero_point.size()) + " zero points");
  }
  if (quant.per_tensor() && quant.scale.size() != 1) {
    return broken(node, "per-tensor annotation has " + std::to_string(quant.scale.size()) + " scales");
  }
  for (size_t i = 0; i < quant.scale.size(); ++i) {
    if (!(quant.scale[i] > 0) || !std::isfinite(quant.scale[i])) {
      return broken(node, "scale " + std::to_string(i) + " is " + std::to_string(quant.scale[i]));
    }
    if (quant.zero_point[i] < min_code(quant.dtype) || quant.zero_point[i] > max_code(quant.dtype)) {
      return broken(node, "zero point " + std::to_string(quant.zero_point[i]) + " is outside " +
                              std::string(dtype_name(quant.dtype)));
    }
  }
  if (quant.per_tensor() || !value.type().shape) return {};
  const Shape& shape = *value.type().shape;
  if (quant.axis >= static_cast<int>(shape.size())) {
    return broken(
        node, "annotation axis " + std::to_string(quant.axis) + " of a value of rank " + std::to_string(shape.size()));
  }
  const Dim& dim = shape[static_cast<size_t>(quant.axis)];
  if (quant.block_size <= 0 && dim.known() && dim.value() != static_cast<int64_t>(quant.scale.size())) {
    return broken(node, "annotation has " + std::to_string(quant.scale.size()) + " scales for " +
                            std::to_string(dim.value()) + " channels");
  }
  return {};
}

Status verify_outputs(const Node& node) {
  for (int i = 0; i < node.num_outputs(); ++i) {
    const Value& value = node.output(i);
    EDGESMITH_CHECK(&value.node() == &node && value.index() == i);
    for (const Use& use : value.uses()) {
      if (use.node->erased() || use.node->input(use.index) != &value) return broken(node, "its use list is wrong");
    }
    if (value.quant()) EDGESMITH_TRY(verify_quant(value));
  }
  return {};
}

}  // namespace

Status verify(const Graph& graph) {
  std::vector<bool> defined(static_cast<size_t>(graph.num_value_ids()), false);
  const Node* last = nullptr;
  for (const Node& node : graph.nodes()) {
    for (int i = 0; i < node.num_inputs(); ++i) {
      const Value* operand = node.input(i);
      if (operand == nullptr) {
        if (node.is(OpKind::output)) return broken(node, "result " + std::to_string(i) + " is missing");
        continue;
      }
      if (operand->node().erased()) return broken(node, "reads a removed value");
      if (!defined[static_cast<size_t>(operand->id())]) {
        return broken(node, "reads '" + operand->name() + "' before it is made");
      }
    }
    EDGESMITH_TRY(verify_outputs(node));
    for (int i = 0; i < node.num_outputs(); ++i) defined[static_cast<size_t>(node.output(i).id())] = true;
    if (node.is(OpKind::constant)) {
      if (!node.tensor().valid()) return broken(node, "constant without a tensor");
      const bool affine = node.tensor().encoding() == Encoding::affine;
      if (affine && (!node.output().quant() || !node.output().quant()->same_codes(node.tensor().quant()))) {
        return broken(node, "the annotation differs from the tensor's");
      }
    }
    last = &node;
  }
  EDGESMITH_CHECK(last == &graph.output_node());
  if (graph.output_names().size() != static_cast<size_t>(graph.num_outputs())) {
    return invalid_error("the graph names " + std::to_string(graph.output_names().size()) + " results and has " +
                         std::to_string(graph.num_outputs()));
  }
  return {};
}

}  // namespace edgesmith::ir
