// SPDX-License-Identifier: Apache-2.0
// The functions that rows of the table of compound operators name. Each returns "" or why the form is not known.
#pragma once

#include "onnx/compound.h"

namespace edgesmith::onnx::compound {

using Reason = std::string;

// quantized.cc
Reason q_linear_add(Emitter& e);
Reason q_linear_average_pool(Emitter& e);
Reason q_linear_concat(Emitter& e);
Reason q_linear_conv(Emitter& e);
Reason q_linear_global_average_pool(Emitter& e);
Reason q_linear_leaky_relu(Emitter& e);
Reason q_linear_mat_mul(Emitter& e);
Reason q_linear_mul(Emitter& e);
Reason q_linear_reduce_mean(Emitter& e);
Reason q_linear_sigmoid(Emitter& e);
Reason q_linear_softmax(Emitter& e);
Reason q_linear_where(Emitter& e);
Reason q_gemm(Emitter& e);
Reason quantize_linear(Emitter& e);
Reason dequantize_linear(Emitter& e);
Reason mat_mul_integer_to_float(Emitter& e);
Reason dynamic_quantize_lstm(Emitter& e);
Reason dynamic_quantize_mat_mul(Emitter& e);

// fused.cc
Reason gelu(Emitter& e);
Reason fast_gelu(Emitter& e);
Reason quick_gelu(Emitter& e);
Reason bias_gelu(Emitter& e);
Reason layer_normalization(Emitter& e);
Reason simplified_layer_normalization(Emitter& e);
Reason skip_layer_normalization(Emitter& e);
Reason skip_simplified_layer_normalization(Emitter& e);
Reason fused_mat_mul(Emitter& e);
Reason fused_gemm(Emitter& e);
Reason fused_conv(Emitter& e);

// language.cc
Reason mat_mul_n_bits(Emitter& e);
Reason embed_layer_normalization(Emitter& e);

// attention.cc
Reason attention(Emitter& e);
Reason multi_head_attention(Emitter& e);

}  // namespace edgesmith::onnx::compound
