// SPDX-License-Identifier: Apache-2.0
// Rules about codes: how activations, weights and biases of a quantized model must look. A float model breaks none of
// them, except where the target has no float operators.
#include <algorithm>

#include "edgesmith/base/text.h"
#include "edgesmith/ir/structural.h"
#include "edgesmith/ops/op_info.h"
#include "passes/quantize/node_form.h"
#include "refine/target_check/rules.h"

namespace edgesmith::refine {
namespace {

using ir::OpKind;

// Runtimes that were seen to read 4-bit DequantizeLinear: ours and ONNX Runtime.
bool unpacks_low_bits(const targets::Target& target) {
  return target.runtime.rfind("ONNX Runtime", 0) == 0 || target.runtime.rfind("edgesmith", 0) == 0;
}

std::string name_of(ir::DType dtype) { return std::string(ir::dtype_name(dtype)); }

class CodeRules {
 public:
  CodeRules(const ir::Graph& graph, const targets::Target& target, Findings& findings)
      : graph_(graph),
        target_(target),
        findings_(findings),
        again_("requantize the float model with --target " + target.name) {}

  void run() {
    bool quantized = false;
    for (const ir::Node& node : graph_.nodes()) {
      for (int i = 0; i < node.num_outputs(); ++i) quantized = quantized || node.output(i).quant().has_value();
    }
    if (!quantized) {
      if (target_.limits.integer_only) {
        findings_.refuse(nullptr, "quantized", "a float model", "integers throughout",
                         "quantize it: edgesmith quantize --target " + target_.name);
      }
      return;
    }
    for (const ir::Node& node : graph_.nodes()) {
      if (ir::is_structural(node) && !node.is(OpKind::input)) continue;
      for (int i = 0; i < node.num_outputs(); ++i) check_activation(node, node.output(i));
      check_layer(node);
      if (node.is(OpKind::concat)) check_concat(node);
      if (passes::quantize::is_dilated_mean(node) && node.output().quant()) {
        findings_.refuse(&node, "dilation", "dilations of an AveragePool on codes", "1", again_);
      }
    }
  }

 private:
  void check_activation(const ir::Node& node, const ir::Value& value) {
    if (!value.quant()) return check_float(node, value);
    const ir::Quant& quant = *value.quant();
    const bool other_8_bits =
        target_.either_activation && (quant.dtype == ir::DType::u8 || quant.dtype == ir::DType::i8);
    if (quant.dtype != target_.activation_dtype && !other_8_bits) {
      findings_.refuse(&node, "activation-dtype", name_of(quant.dtype), name_of(target_.activation_dtype), again_);
    }
    const bool zero = std::all_of(quant.zero_point.begin(), quant.zero_point.end(), [](int32_t z) { return z == 0; });
    if (target_.symmetric_activations && !zero) {
      findings_.refuse(&node, "activation-zero-point", std::to_string(quant.zero_point[0]), "0", again_);
    }
    if (!quant.per_tensor()) {
      findings_.refuse(&node, "activation-scales", std::to_string(quant.scale.size()), "1", again_);
    }
    const targets::FixedOutput* fixed = target_.fixed_output(node.op());
    const bool differs = fixed != nullptr && quant.per_tensor() &&
                         (quant.scale[0] != fixed->scale || quant.zero_point[0] != fixed->zero_point);
    if (differs) {
      findings_.refuse(&node, "fixed-output", code_text(quant.scale[0], quant.zero_point[0]),
                       code_text(fixed->scale, fixed->zero_point), again_);
    }
  }

  static std::string code_text(float scale, int32_t zero_point) {
    return "scale " + shortest(scale) + ", zero point " + std::to_string(zero_point);
  }

  // A float between quantized operators is fine where there are float operators. A value that only a clamp reads has
  // no codes of its own: it is one operator with the clamp.
  void check_float(const ir::Node& node, const ir::Value& value) {
    if (!target_.limits.integer_only || !ir::is_float(value.type().dtype) || value.unused()) return;
    const bool clamped = value.uses().size() == 1 && value.uses()[0].index == 0 &&
                         (value.uses()[0].node->is(OpKind::relu) || value.uses()[0].node->is(OpKind::clip));
    if (clamped) return;
    std::string fix = "replace the operator: it has no integer form there";
    if (target_.runs_integer(node.op()) || node.is(OpKind::input)) {
      fix = again_ + ", or replace the operator where that leaves it float";
    } else if (node.is(OpKind::identity)) {
      fix = "simplify the model before it is quantized: that takes the operator out";
    }
    findings_.refuse(&node, "float-value", "value '" + value.name() + "' is float", "integers throughout", fix);
  }

  void check_layer(const ir::Node& node) {
    const ops::QuantFacts facts = ops::quant_facts(node);
    if (const ir::Value* weight = coded_weight(node)) check_weight(node, *weight, facts.weight_axis);
    check_low_bits(node, facts.weight_operand);
    const ir::Value* bias = facts.bias_operand >= 0 ? node.input(facts.bias_operand) : nullptr;
    if (target_.float_bias && bias != nullptr && bias->quant()) {
      findings_.refuse(&node, "bias-dtype", name_of(bias->quant()->dtype), "float", again_);
    }
  }

  // Weights of fewer than 8 bits are floats to the operator that reads them, where the runtime unpacks them.
  void check_low_bits(const ir::Node& node, int operand) {
    const ir::Value* weight = operand >= 0 ? node.input(operand) : nullptr;
    if (weight == nullptr || weight->constant() == nullptr || !weight->quant()) return;
    const ir::DType dtype = weight->quant()->dtype;
    if (ir::dtype_bits(dtype) >= 8 || unpacks_low_bits(target_)) return;
    findings_.refuse(&node, "weight-dtype", name_of(dtype), name_of(target_.weight_dtype), again_);
  }

  void check_weight(const ir::Node& node, const ir::Value& weight, int channel_axis) {
    const ir::Quant& quant = weight_quant_of(weight);
    if (quant.dtype != target_.weight_dtype) {
      return findings_.refuse(&node, "weight-dtype", name_of(quant.dtype), name_of(target_.weight_dtype), again_);
    }
    for (const int32_t zero_point : quant.zero_point) {
      if (zero_point == 0) continue;
      findings_.refuse(&node, "weight-zero-point", std::to_string(zero_point), "0", again_);
      break;
    }
    const int rank = weight.type().rank(), axis = channel_axis < 0 ? channel_axis + rank : channel_axis;
    const bool good_axis = quant.per_tensor() || (target_.per_channel && quant.block_size == 0 && quant.axis == axis);
    if (!good_axis) {
      const std::string blocks = quant.block_size > 0 ? ", in blocks of " + std::to_string(quant.block_size) : "";
      findings_.refuse(&node, "weight-scales", "along axis " + std::to_string(quant.axis) + blocks,
                       target_.per_channel ? "one, or one an output channel" : "one a tensor", again_);
    }
    const std::vector<int32_t> codes = weight_codes_of(weight);
    const auto least = std::min_element(codes.begin(), codes.end());
    if (least == codes.end() || *least >= target_.weight_min) return;
    findings_.refuse(&node, "weight-range", std::to_string(*least), std::to_string(target_.weight_min) + " to 127",
                     again_);
  }

  void check_concat(const ir::Node& node) {
    const auto& output = node.output().quant();
    if (!target_.one_concat_scale || !output || !output->per_tensor()) return;
    for (int i = 0; i < node.num_inputs(); ++i) {
      const auto& input = node.input(i)->quant();
      if (!input || !input->per_tensor() || input->same_codes(*output)) continue;
      findings_.refuse(&node, "concat-scales", "scale " + shortest(input->scale[0]) + " of input " + std::to_string(i),
                       "scale " + shortest(output->scale[0]) + " of the output", again_);
    }
  }

  const ir::Graph& graph_;
  const targets::Target& target_;
  Findings& findings_;
  std::string again_;
};

}  // namespace

const ir::Value* coded_weight(const ir::Node& node) {
  const int operand = ops::quant_facts(node).weight_operand;
  const ir::Value* weight = operand >= 0 ? node.input(operand) : nullptr;
  if (weight == nullptr || weight->constant() == nullptr || !weight->quant()) return nullptr;
  return ir::dtype_bits(weight->quant()->dtype) == 8 ? weight : nullptr;
}

const ir::Quant& weight_quant_of(const ir::Value& weight) { return *weight.quant(); }

std::vector<int32_t> weight_codes_of(const ir::Value& weight) {
  const ir::Tensor& tensor = *weight.constant();
  const ir::Quant& quant = weight_quant_of(weight);
  std::vector<int32_t> codes;
  codes.reserve(static_cast<size_t>(tensor.size()));
  if (tensor.encoding() == ir::Encoding::affine && quant.dtype == ir::DType::i8) {
    for (const int8_t code : tensor.codes().data<int8_t>()) codes.push_back(code);
    return codes;
  }
  if (tensor.encoding() == ir::Encoding::affine) {
    for (const uint8_t code : tensor.codes().data<uint8_t>()) codes.push_back(code);
    return codes;
  }
  // Floats between Q and DQ.
  const std::vector<float> reals = tensor.to_floats();
  int64_t inner = 1;
  for (int d = quant.axis + 1; !quant.per_tensor() && d < tensor.rank(); ++d) {
    inner *= tensor.dims()[static_cast<size_t>(d)];
  }
  for (size_t i = 0; i < reals.size(); ++i) {
    const size_t scale =
        quant.per_tensor() ? 0 : static_cast<size_t>(static_cast<int64_t>(i) / inner) % quant.scale.size();
    codes.push_back(ir::quantize_value(reals[i], quant.scale[scale], quant.zero_point[scale], quant.dtype));
  }
  return codes;
}

void check_codes(const ir::Graph& graph, const targets::Target& target, Findings& findings) {
  CodeRules(graph, target, findings).run();
}

}  // namespace edgesmith::refine
