// SPDX-License-Identifier: Apache-2.0
#include "passes/reconstruct/layer.h"

#include <algorithm>

#include "edgesmith/ir/short_floats.h"
#include "edgesmith/ops/op_info.h"
#include "passes/quantize/assignment.h"
#include "passes/quantize/node_form.h"

namespace edgesmith::passes::reconstruct {
namespace {

// Where element k of row m lies: (k / inner * outputs + m) * inner + k % inner.
size_t index_of(const Layer& layer, int64_t inner, int64_t m, int64_t k) {
  return static_cast<size_t>((k / inner * layer.outputs + m) * inner + k % inner);
}

int64_t inner_of(const ir::Node& node) {
  const ir::Dims& dims = quantize::weight_of(node)->constant()->dims();
  int64_t inner = 1;
  for (size_t d = static_cast<size_t>(quantize::weight_axis(node)) + 1; d < dims.size(); ++d) inner *= dims[d];
  return inner;
}

}  // namespace

bool holds_numbers(const ir::Tensor& weight) {
  return weight.encoding() == ir::Encoding::dense || weight.encoding() == ir::Encoding::sparse;
}

Layer read_layer(ir::Node& node) {
  const ir::Tensor& weight = *quantize::weight_of(node)->constant();
  Layer layer;
  layer.node = &node;
  layer.outputs = weight.dims()[static_cast<size_t>(quantize::weight_axis(node))];
  layer.width = weight.size() / std::max<int64_t>(1, layer.outputs);
  const std::vector<float> numbers = weight.to_floats();
  const int64_t inner = inner_of(node);
  for (int64_t m = 0; m < layer.outputs; ++m) {
    for (int64_t k = 0; k < layer.width; ++k) layer.weights.push_back(numbers[index_of(layer, inner, m, k)]);
  }
  layer.group_size = layer.width;
  const bool transposed = node.is(ir::OpKind::conv_transpose);
  if (transposed || node.is(ir::OpKind::conv)) {
    layer.group_size = weight.dims()[transposed ? 0 : 1];
    layer.group_step = static_cast<int>(layer.width / std::max<int64_t>(1, layer.group_size));
  }
  return layer;
}

bool has_bias_operand(const Layer& layer) {
  const int operand = ops::quant_facts(*layer.node).bias_operand;
  if (operand < 0) return false;
  const ir::Value* bias = layer.node->input(operand);
  return bias == nullptr || (bias->constant() != nullptr && !bias->quant() && bias->type().dtype == ir::DType::f32 &&
                             (bias->constant()->size() == 1 || bias->constant()->size() == layer.outputs));
}

void write_layer(ir::Graph& graph, const Layer& layer, const std::vector<double>& bias_change) {
  ir::Node& node = *layer.node;
  ir::Value& weight = *quantize::weight_of(node);
  const int64_t inner = inner_of(node);
  ir::Tensor tensor = ir::Tensor::zeros(ir::DType::f32, weight.constant()->dims());
  const auto numbers = tensor.mutable_data<float>();
  for (int64_t m = 0; m < layer.outputs; ++m) {
    for (int64_t k = 0; k < layer.width; ++k) {
      const auto at = static_cast<size_t>(m * layer.width + k);
      numbers[index_of(layer, inner, m, k)] = static_cast<float>(layer.weights[at]);
    }
  }
  graph.set_tensor(weight.node(), std::move(tensor));
  if (!bias_change.empty()) change_bias(graph, layer, bias_change);
}

void change_bias(ir::Graph& graph, const Layer& layer, const std::vector<double>& bias_change) {
  ir::Node& node = *layer.node;
  const int operand = ops::quant_facts(node).bias_operand;
  ir::Value* bias = node.input(operand);
  std::vector<float> changed(static_cast<size_t>(layer.outputs), 0.0F);
  ir::Dims dims = {layer.outputs};
  if (bias != nullptr) {
    const std::vector<float> before = bias->constant()->to_floats();
    for (size_t m = 0; m < changed.size(); ++m) changed[m] = before[before.size() == 1 ? 0 : m];
    if (bias->constant()->size() == layer.outputs) dims = bias->constant()->dims();
  }
  for (size_t m = 0; m < changed.size(); ++m) changed[m] = static_cast<float>(changed[m] + bias_change[m]);
  ir::Tensor result = ir::Tensor::of<float>(dims, changed);
  if (bias != nullptr && bias->uses().size() == 1) return graph.set_tensor(bias->node(), std::move(result));
  graph.set_input(node, operand, &graph.add_constant(std::move(result), {}, &node));
}

void shorten_bias(ir::Graph& graph, ir::Node& layer, std::span<const double> errors) {
  const int operand = ops::quant_facts(layer).bias_operand;
  ir::Value* bias = operand >= 0 && operand < layer.num_inputs() ? layer.input(operand) : nullptr;
  if (bias == nullptr || bias->constant() == nullptr || bias->constant()->dtype() != ir::DType::f32) return;
  if (bias->constant()->encoding() != ir::Encoding::dense || bias->uses().size() != 1 || errors.empty()) return;
  std::vector<float> numbers = bias->constant()->to_floats();
  const auto error_of = [&](size_t m) {
    return numbers.size() == errors.size() ? errors[m] : *std::min_element(errors.begin(), errors.end());
  };
  int bits = ir::kShortBits;
  for (size_t m = 0; m < numbers.size(); ++m) {
    const auto off = [&] { return static_cast<double>(ir::short_float(numbers[m], bits)) - numbers[m]; };
    while (bits < ir::kAllBits && off() * off() > error_of(m)) ++bits;
  }
  for (float& number : numbers) number = ir::short_float(number, bits);
  graph.set_tensor(bias->node(), ir::Tensor::of<float>(bias->constant()->dims(), numbers));
}

void restore_constant(ir::Graph& graph, const ir::Graph& original, ir::Node& layer, int operand) {
  if (operand < 0 || operand >= layer.num_inputs()) return;
  for (const ir::Node& before : original.nodes()) {
    if (before.id() != layer.id()) continue;
    const ir::Value* value = operand < before.num_inputs() ? before.input(operand) : nullptr;
    if (value == nullptr && layer.input(operand) != nullptr) {
      ir::Node& added = layer.input(operand)->node();
      graph.set_input(layer, operand, nullptr);
      graph.erase(added);
    } else if (value != nullptr && value->constant() != nullptr) {
      quantize::set_constant(graph, layer, operand, *value->constant());
    }
    return;
  }
}

}  // namespace edgesmith::passes::reconstruct
