// SPDX-License-Identifier: Apache-2.0
// The table of compound operators, in order of their names.
#include <algorithm>

#include "onnx/compound/compounds.h"

namespace edgesmith::onnx {

using namespace compound;

const std::vector<CompoundRow>& all_compounds() {
  static const std::vector<CompoundRow> rows = {
      {"LayerNormalization", "axis:i epsilon:f stash_type:i", layer_normalization},
      {"QLinearConv", "auto_pad:s dilations:I group:i kernel_shape:I pads:I strides:I", q_linear_conv, true},
      {"QLinearMatMul", "", q_linear_mat_mul, true},
      {"SimplifiedLayerNormalization", "axis:i epsilon:f stash_type:i", simplified_layer_normalization},
      {"com.microsoft::Attention",
       "do_rotary:i mask_filter_value:f num_heads:i past_present_share_buffer:i qkv_hidden_sizes:I scale:f "
       "unidirectional:i",
       attention},
      {"com.microsoft::BiasGelu", "", bias_gelu},
      {"com.microsoft::DequantizeLinear", "axis:i block_size:i", dequantize_linear, true},
      {"com.microsoft::DynamicQuantizeMatMul", "", dynamic_quantize_mat_mul},
      {"com.microsoft::EmbedLayerNormalization", "epsilon:f mask_index_type:i", embed_layer_normalization},
      {"com.microsoft::FastGelu", "", fast_gelu},
      {"com.microsoft::FusedConv",
       "activation:s activation_params:F auto_pad:s dilations:I group:i kernel_shape:I pads:I strides:I", fused_conv},
      {"com.microsoft::FusedGemm",
       "activation:s activation_alpha:f activation_beta:f activation_gamma:f alpha:f beta:f transA:i transB:i",
       fused_gemm},
      {"com.microsoft::FusedMatMul", "alpha:f transA:i transB:i transBatchA:i transBatchB:i", fused_mat_mul},
      {"com.microsoft::Gelu", "", gelu},
      {"com.microsoft::MatMulIntegerToFloat", "", mat_mul_integer_to_float},
      {"com.microsoft::MatMulNBits", "K:i N:i accuracy_level:i bits:i block_size:i", mat_mul_n_bits},
      {"com.microsoft::MultiHeadAttention", "mask_filter_value:f num_heads:i scale:f unidirectional:i",
       multi_head_attention},
      {"com.microsoft::QGemm", "alpha:f transA:i transB:i", q_gemm, true},
      {"com.microsoft::QLinearAdd", "", q_linear_add, true},
      {"com.microsoft::QLinearAveragePool",
       "auto_pad:s ceil_mode:i channels_last:i count_include_pad:i kernel_shape:I pads:I strides:I",
       q_linear_average_pool, true},
      {"com.microsoft::QLinearConcat", "axis:i", q_linear_concat, true},
      {"com.microsoft::QLinearConv", "auto_pad:s channels_last:i dilations:I group:i kernel_shape:I pads:I strides:I",
       q_linear_conv, true},
      {"com.microsoft::QLinearGlobalAveragePool", "channels_last:i", q_linear_global_average_pool, true},
      {"com.microsoft::QLinearLeakyRelu", "alpha:f", q_linear_leaky_relu, true},
      {"com.microsoft::QLinearMul", "", q_linear_mul, true},
      {"com.microsoft::QLinearReduceMean", "axes:I keepdims:i", q_linear_reduce_mean, true},
      {"com.microsoft::QLinearSigmoid", "", q_linear_sigmoid, true},
      {"com.microsoft::QLinearSoftmax", "axis:i opset:i", q_linear_softmax, true},
      {"com.microsoft::QLinearWhere", "", q_linear_where, true},
      {"com.microsoft::QuantizeLinear", "axis:i block_size:i saturate:i", quantize_linear, true},
      {"com.microsoft::QuickGelu", "alpha:f", quick_gelu},
      {"com.microsoft::SimplifiedLayerNormalization", "axis:i epsilon:f stash_type:i", simplified_layer_normalization},
      {"com.microsoft::SkipLayerNormalization", "epsilon:f", skip_layer_normalization},
      {"com.microsoft::SkipSimplifiedLayerNormalization", "epsilon:f", skip_simplified_layer_normalization},
      {"com.microsoft::TransposeMatMul", "alpha:f transA:i transB:i", fused_mat_mul},
  };
  return rows;
}

const CompoundRow* find_compound(const NodeView& node) {
  if (!node.domain.empty() && node.domain != "com.microsoft") return nullptr;
  const std::string name = (node.domain.empty() ? "" : "com.microsoft::") + std::string(node.op_type);
  const auto& rows = all_compounds();
  const auto at = std::lower_bound(rows.begin(), rows.end(), name,
                                   [](const CompoundRow& row, const std::string& wanted) { return row.op < wanted; });
  return at != rows.end() && at->op == name ? &*at : nullptr;
}

}  // namespace edgesmith::onnx
