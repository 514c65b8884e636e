// SPDX-License-Identifier: Apache-2.0
// Runs a graph node by node with the operators' reference evaluation: slow, obvious, and independent of the runtime.
#pragma once

#include <span>
#include <vector>

#include "edgesmith/ir/graph.h"
#include "edgesmith/ops/op_info.h"

namespace edgesmith::testing {

/// The tensor as its readers see it: through the value's annotation, if it has one.
inline ir::Tensor through_quant(const ir::Value& value, const ir::Tensor& tensor) {
  if (!value.quant() || value.constant() != nullptr || tensor.dtype() != ir::DType::f32) return tensor;
  const ir::Quant& quant = *value.quant();
  std::vector<float> reals = tensor.to_floats();
  int64_t inner = 1;
  const bool per_tensor = quant.per_tensor();
  for (int axis = quant.axis + 1; !per_tensor && axis < tensor.rank(); ++axis) {
    inner *= tensor.dims()[static_cast<size_t>(axis)];
  }
  for (size_t i = 0; i < reals.size(); ++i) {
    const size_t channel = per_tensor ? 0 : i / static_cast<size_t>(inner) % quant.scale.size();
    ir::fake_quantize(&reals[i], 1, quant.scale[channel], quant.zero_point[channel], quant.dtype);
  }
  return ir::Tensor::of<float>(tensor.dims(), reals);
}

/// Feeds one tensor for each graph input, in order, and returns the results. Errors: of the node that failed;
/// unsupported for an opaque node that nobody can run, named.
inline Result<std::vector<ir::Tensor>> reference_run(const ir::Graph& graph, std::span<const ir::Tensor> inputs) {
  std::vector<ir::Tensor> values(static_cast<size_t>(graph.num_value_ids()));
  const auto at = [&](const ir::Value& value) -> ir::Tensor& { return values[static_cast<size_t>(value.id())]; };
  size_t next_input = 0;
  for (const ir::Node& node : graph.nodes()) {
    if (node.is(ir::OpKind::output)) continue;
    if (const ir::Node* unknown = ops::find_unknown(node)) {
      return unsupported_error(unknown->opaque_op + ": operator is not known");
    }
    if (node.is(ir::OpKind::input)) {
      if (next_input == inputs.size()) return usage_error("too few inputs");
      at(node.output()) = through_quant(node.output(), inputs[next_input++]);
      continue;
    }
    if (node.is(ir::OpKind::constant)) {
      at(node.output()) = node.tensor().dense();
      continue;
    }
    std::vector<const ir::Tensor*> operands;
    for (int i = 0; i < node.num_inputs(); ++i) {
      operands.push_back(node.input(i) != nullptr ? &at(*node.input(i)) : nullptr);
    }
    auto outputs = ops::eval_node(node, operands);
    if (!outputs) return outputs.error();
    for (int i = 0; i < node.num_outputs() && i < static_cast<int>(outputs->size()); ++i) {
      at(node.output(i)) = through_quant(node.output(i), (*outputs)[static_cast<size_t>(i)]);
    }
  }
  std::vector<ir::Tensor> results;
  for (int i = 0; i < graph.num_outputs(); ++i) results.push_back(at(*graph.output_node().input(i)));
  return results;
}

}  // namespace edgesmith::testing
