// SPDX-License-Identifier: Apache-2.0
// Operators that ONNX Runtime makes of others when it optimizes a graph: activations with a bias, normalization of a
// sum, products with transposed operands, layers with an activation.
#include "onnx/compound/compounds.h"

namespace edgesmith::onnx::compound {
namespace {

using ir::OpKind;

/// The optional outputs behind the first that somebody may read.
bool has_outputs_behind(const Emitter& e, int index) { return e.num_outputs() > index + 1; }

/// `activation` as an operator on x; `numbers` are its attributes in ONNX Runtime's order.
Reason activated(Emitter& e, ir::Value& x, const ir::Floats& numbers) {
  const std::string name = e.attributes().get_string("activation", "");
  const auto number = [&](size_t i, float fallback) { return i < numbers.size() ? numbers[i] : fallback; };
  if (name.empty()) {
    e.result(x);
  } else if (name == "Relu") {
    e.result(e.op(OpKind::relu, {&x}));
  } else if (name == "Sigmoid") {
    e.result(e.op(OpKind::sigmoid, {&x}));
  } else if (name == "Tanh") {
    e.result(e.op(OpKind::tanh, {&x}));
  } else if (name == "LeakyRelu") {
    e.result(e.op(OpKind::leaky_relu, {&x}, {{"alpha", number(0, 0.01F)}}));
  } else if (name == "HardSigmoid") {
    e.result(e.op(OpKind::hard_sigmoid, {&x}, {{"alpha", number(0, 0.2F)}, {"beta", number(1, 0.5F)}}));
  } else if (name == "Clip" && numbers.size() == 2) {
    e.result(e.op(OpKind::clip, {&x, &e.scalar(numbers[0], x), &e.scalar(numbers[1], x)}));
  } else {
    return "its activation '" + name + "' is not known";
  }
  return {};
}

/// Sum of the first operands: those of Skip...Normalization; `bias` (its index) may be absent.
ir::Value& sum_with_bias(Emitter& e, int bias) {
  ir::Value& sum = e.op(OpKind::add, {e.input(0), e.input(1)});
  return e.input(bias) != nullptr ? e.op(OpKind::add, {&sum, e.input(bias)}) : sum;
}

}  // namespace

Reason gelu(Emitter& e) {
  e.result(e.op(OpKind::gelu, {e.input(0)}));
  return {};
}

Reason bias_gelu(Emitter& e) {
  e.result(e.op(OpKind::gelu, {&e.op(OpKind::add, {e.input(0), e.input(1)})}));
  return {};
}

Reason fast_gelu(Emitter& e) {
  ir::Value* x = e.input(0);
  if (e.input(1) != nullptr) x = &e.op(OpKind::add, {x, e.input(1)});
  e.result(e.op(OpKind::gelu, {x}, {{"approximate", std::string("tanh")}}));
  return {};
}

Reason quick_gelu(Emitter& e) {
  ir::Value& x = *e.input(0);
  ir::Value& scaled = e.op(OpKind::mul, {&x, &e.scalar(e.real("alpha", 1.702F), x)});
  e.result(e.op(OpKind::mul, {&x, &e.op(OpKind::sigmoid, {&scaled})}));
  return {};
}

Reason layer_normalization(Emitter& e) {
  ir::Node& y = e.node(OpKind::layer_normalization, {e.input(0), e.input(1)}, e.num_outputs());
  if (e.input(2) != nullptr) y.graph().set_input(y, 2, e.input(2));
  y.attributes() = e.attributes();
  for (int i = 0; i < e.num_outputs(); ++i) e.result(y.output(i));
  return {};
}

Reason simplified_layer_normalization(Emitter& e) {
  if (has_outputs_behind(e, 0)) return "its second output is not known";
  e.result(e.op_like(OpKind::rms_normalization, {e.input(0), e.input(1)}, "axis epsilon stash_type"));
  return {};
}

// x, skip, scale, shift, bias; outputs: y, mean, inverse deviation (not known), the sum.
Reason skip_layer_normalization(Emitter& e) {
  ir::Value& sum = sum_with_bias(e, 4);
  ir::Node& y = e.node(OpKind::layer_normalization, {&sum, e.input(2)}, 3, {{"epsilon", e.real("epsilon", 1e-12F)}});
  if (e.input(3) != nullptr) y.graph().set_input(y, 2, e.input(3));
  for (int i = 0; i < 3; ++i) e.result(y.output(i));
  e.result(sum);
  return {};
}

// x, skip, scale, bias; the outputs 1 and 2 are not known.
Reason skip_simplified_layer_normalization(Emitter& e) {
  ir::Value& sum = sum_with_bias(e, 3);
  ir::Value& y = e.op(OpKind::rms_normalization, {&sum, e.input(2)}, {{"epsilon", e.real("epsilon", 1e-5F)}});
  e.result(y);
  e.unknown_result();
  e.unknown_result();
  e.result(sum);
  return {};
}

Reason fused_mat_mul(Emitter& e) {
  if (e.integer("transBatchA", 0) != 0 || e.integer("transBatchB", 0) != 0) return "it transposes the batch";
  ir::Value* a = e.input(0);
  ir::Value* b = e.input(1);
  if (e.integer("transA", 0) != 0) a = &e.transposed(*a);
  if (e.integer("transB", 0) != 0) b = &e.transposed(*b);
  ir::Value& y = e.op(OpKind::mat_mul, {a, b});
  const float alpha = e.real("alpha", 1);
  e.result(alpha == 1 ? y : e.op(OpKind::mul, {&y, &e.scalar(alpha, y)}));
  return {};
}

Reason fused_gemm(Emitter& e) {
  ir::Value& y = e.op_like(OpKind::gemm, {e.input(0), e.input(1), e.input(2)}, "alpha beta transA transB");
  ir::Floats numbers;
  for (const char* name : {"activation_alpha", "activation_beta", "activation_gamma"}) {
    if (e.attributes().has(name)) numbers.push_back(e.real(name, 0));
  }
  return activated(e, y, numbers);
}

Reason fused_conv(Emitter& e) {
  ir::Value* y = &e.op_like(OpKind::conv, {e.input(0), e.input(1), e.input(2)},
                            "auto_pad dilations group kernel_shape pads strides");
  if (e.input(3) != nullptr) y = &e.op(OpKind::add, {y, e.input(3)});
  return activated(e, *y, e.attributes().get_floats("activation_params"));
}

}  // namespace edgesmith::onnx::compound
