// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/node_form.h"

#include <algorithm>

namespace edgesmith::passes::quantize {
namespace {

using ir::OpKind;
using Kind = ops::QuantFacts::Kind;

bool is_f32(const ir::Value* value) { return value != nullptr && value->type().dtype == ir::DType::f32; }

std::string onnx_name_of(const ir::Node& node) { return std::string(ir::onnx_name(node.op())); }

// A bias that is one number a channel: absent, a constant of `channels` numbers along its last axis, or one number.
bool has_channel_bias(const ir::Node& node, int operand, int64_t channels) {
  const ir::Value* bias = operand >= 0 ? node.input(operand) : nullptr;
  if (bias == nullptr) return true;
  const ir::Tensor* tensor = bias->constant();
  if (tensor == nullptr || tensor->dtype() != ir::DType::f32) return false;
  if (tensor->size() == 1) return true;
  return tensor->size() == channels && tensor->dims().back() == channels;
}

std::optional<Obstacle> find_gemm_obstacle(const ir::Node& node) {
  const ir::Attributes& attributes = node.attributes();
  const bool scaled =
      attributes.get_float("alpha", 1) != 1 || (node.input(2) != nullptr && attributes.get_float("beta", 1) != 1);
  if (scaled) return Obstacle{"its alpha or beta is not 1", "simplify the model first"};
  if (attributes.get_int("transA", 0) != 0) return Obstacle{"its first operand is transposed", ""};
  return std::nullopt;
}

std::optional<Obstacle> find_layer_obstacle(const ir::Node& node, const ops::QuantFacts& facts) {
  const ir::Value* weight = node.input(facts.weight_operand);
  if (weight == nullptr) return Obstacle{"its weights are missing", ""};
  if (weight->constant() == nullptr) {
    if (node.is(OpKind::mat_mul)) return std::nullopt;
    return Obstacle{"its weights are computed, not constant", "simplify the model first"};
  }
  if (weight->constant()->dtype() != ir::DType::f32) return Obstacle{"its weights are not 32-bit floats", ""};
  if (node.is(OpKind::conv_transpose)) return Obstacle{"edgesmith cannot round the weights of ConvTranspose", ""};
  if (node.is(OpKind::mat_mul) && weight->constant()->rank() != 2) {
    return Obstacle{"its constant operand is no matrix", ""};
  }
  const int64_t channels =
      weight->constant()->rank() > 0 ? weight->constant()->dims()[static_cast<size_t>(weight_axis(node))] : 1;
  if (!has_channel_bias(node, facts.bias_operand, channels)) {
    return Obstacle{"its bias is not a constant with one number for each output channel", ""};
  }
  return std::nullopt;
}

}  // namespace

std::optional<Obstacle> find_obstacle(const ir::Node& node, const targets::Target& target) {
  if (node.is(OpKind::opaque)) {
    return Obstacle{
        node.subgraphs != nullptr ? "what it is made of is not quantized" : "edgesmith does not know this operator",
        ""};
  }
  if (node.is(OpKind::gemm)) {
    if (auto obstacle = find_gemm_obstacle(node)) return obstacle;
  }
  const ops::QuantFacts facts = ops::quant_facts(node);
  if (facts.kind == Kind::float_only || !target.runs_integer(node.op())) {
    return Obstacle{std::string(target.name) + " computes " + onnx_name_of(node) + " on floats", ""};
  }
  if (node.is(OpKind::resize) && node.attributes().get_string("mode", "nearest") != "nearest") {
    return Obstacle{std::string(target.name) + " computes Resize on floats unless its mode is nearest", ""};
  }
  if (is_dilated_mean(node)) {
    return Obstacle{std::string(target.name) + " computes AveragePool on floats unless its dilations are 1", ""};
  }
  for (int i = 0; i < node.num_outputs(); ++i) {
    if (!is_f32(&node.output(i))) return Obstacle{"its values are not 32-bit floats", ""};
  }
  if (facts.weight_operand >= 0) {
    if (auto obstacle = find_layer_obstacle(node, facts)) return obstacle;
  }
  bool has_activation = false;
  for (const int i : data_operands(node)) {
    if (node.input(i) == nullptr) continue;
    if (!is_f32(node.input(i))) return Obstacle{"its values are not 32-bit floats", ""};
    has_activation = has_activation || node.input(i)->constant() == nullptr;
  }
  if (!has_activation) return Obstacle{"it reads constants only", "simplify the model first"};
  return std::nullopt;
}

std::vector<int> data_operands(const ir::Node& node) {
  const ops::QuantFacts facts = ops::quant_facts(node);
  std::vector<int> operands = facts.data_operands;
  if (weight_of(node) == nullptr) {
    if (facts.weight_operand >= 0 && node.input(facts.weight_operand) != nullptr &&
        std::find(operands.begin(), operands.end(), facts.weight_operand) == operands.end()) {
      operands.push_back(facts.weight_operand);
    }
    return operands;
  }
  operands.erase(std::remove(operands.begin(), operands.end(), facts.weight_operand), operands.end());
  return operands;
}

ir::Value* weight_of(const ir::Node& node) {
  const ops::QuantFacts facts = ops::quant_facts(node);
  ir::Value* weight = facts.weight_operand >= 0 ? node.input(facts.weight_operand) : nullptr;
  return weight != nullptr && weight->constant() != nullptr ? weight : nullptr;
}

int weight_axis(const ir::Node& node) {
  const ir::Value* weight = weight_of(node);
  const int axis = ops::quant_facts(node).weight_axis;
  return axis >= 0 || weight == nullptr ? axis : axis + weight->constant()->rank();
}

std::optional<Bounds> clamp_bounds(const ir::Node& node) {
  Bounds bounds;
  if (node.is(OpKind::relu)) {
    bounds.min = 0;
  } else if (node.is(OpKind::clip)) {
    for (int i = 1; i <= 2; ++i) {
      const ir::Value* limit = node.input(i);
      if (limit == nullptr) continue;
      if (limit->constant() == nullptr || limit->constant()->size() != 1) return std::nullopt;
      (i == 1 ? bounds.min : bounds.max) = limit->constant()->to_floats()[0];
    }
  } else {
    return std::nullopt;
  }
  if (!(bounds.min <= 0 && bounds.max >= 0)) return std::nullopt;
  return bounds;
}

bool can_hand_out_floats(const ir::Node& node) { return node.is(OpKind::gemm) || node.is(OpKind::mat_mul); }

bool is_dilated_mean(const ir::Node& node) {
  const ir::Ints dilations = node.is(OpKind::average_pool) ? node.attributes().get_ints("dilations") : ir::Ints();
  return std::any_of(dilations.begin(), dilations.end(), [](int64_t dilation) { return dilation != 1; });
}

bool pads_zeros(const ir::Node& node) {
  if (!node.is(OpKind::pad) || node.attributes().get_string("mode", "constant") != "constant") return false;
  const ir::Value* value = node.input(2);
  if (value == nullptr) return true;
  return value->constant() != nullptr && value->constant()->size() == 1 && value->constant()->to_floats()[0] == 0;
}

}  // namespace edgesmith::passes::quantize
