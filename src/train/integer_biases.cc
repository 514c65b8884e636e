// SPDX-License-Identifier: Apache-2.0
#include "train/integer_biases.h"

#include <algorithm>
#include <cmath>

#include "edgesmith/ops/op_info.h"

namespace edgesmith::train {
namespace {

// As the quantize pass: sums of products and bias stay within 32 bits.
constexpr double kLargestCode = 0x1p30;

// The scale of the codes that a layer reads, through a Pad; 0 when it reads none.
float input_scale(const ir::Node& layer) {
  const ir::Value* input = layer.input(0);
  if (input != nullptr && !input->quant() && input->node().is(ir::OpKind::pad)) input = input->node().input(0);
  return input != nullptr && input->quant() && input->quant()->per_tensor() ? input->quant()->scale[0] : 0;
}

// The scales of the products of a layer; empty where they cannot be told.
std::vector<float> product_scales(const ir::Node& layer) {
  const int operand = ops::quant_facts(layer).weight_operand;
  const ir::Tensor* weight =
      operand >= 0 && layer.input(operand) != nullptr ? layer.input(operand)->constant() : nullptr;
  const float input = input_scale(layer);
  if (weight == nullptr || weight->encoding() != ir::Encoding::affine || !(input > 0)) return {};
  std::vector<float> scales = weight->quant().scale;
  for (float& scale : scales) scale = input * scale;
  return scales;
}

ir::Tensor codes_of(const ir::Tensor& bias, ir::Quant quant) {
  const std::vector<float> reals = bias.to_floats();
  std::vector<int32_t> codes;
  for (size_t c = 0; c < reals.size(); ++c) {
    const double scale = quant.scale[quant.scale.size() == 1 ? 0 : c];
    codes.push_back(static_cast<int32_t>(std::clamp(std::nearbyint(reals[c] / scale), -kLargestCode, kLargestCode)));
  }
  return ir::Tensor::affine(ir::Tensor::of<int32_t>(bias.dims(), codes), std::move(quant));
}

}  // namespace

std::vector<IntegerBias> find_integer_biases(const ir::Graph& graph) {
  std::vector<IntegerBias> biases;
  for (ir::Node& node : graph.nodes()) {
    const int operand = ops::quant_facts(node).bias_operand;
    const ir::Value* bias = operand >= 0 ? node.input(operand) : nullptr;
    if (bias == nullptr || bias->constant() == nullptr) continue;
    const ir::Tensor& tensor = *bias->constant();
    if (tensor.encoding() != ir::Encoding::affine || tensor.quant().dtype != ir::DType::i32) continue;
    const auto scales = static_cast<int64_t>(tensor.quant().scale.size());
    if (scales != 1 && scales != tensor.size()) continue;
    biases.push_back({{&node, operand}, tensor.quant(), product_scales(node)});
  }
  return biases;
}

void round_biases(ir::Graph& graph, const std::vector<IntegerBias>& biases) {
  for (const IntegerBias& bias : biases) {
    ir::Value& value = *bias.use.node->input(bias.use.index);
    const ir::Tensor& tensor = *value.constant();
    ir::Quant quant = bias.quant;
    if (bias.products == bias.quant.scale) quant.scale = product_scales(*bias.use.node);
    if (tensor.encoding() == ir::Encoding::affine && tensor.quant().same_codes(quant)) continue;
    ir::Tensor rounded = codes_of(tensor, std::move(quant));
    if (value.uses().size() == 1) {
      graph.set_tensor(value.node(), std::move(rounded));
    } else {
      graph.set_input(*bias.use.node, bias.use.index, &graph.add_constant(std::move(rounded), {}, bias.use.node));
    }
  }
}

}  // namespace edgesmith::train
