// SPDX-License-Identifier: Apache-2.0
// The table of compound operators, in order of their names.
#include <algorithm>

#include "onnx/compound/compounds.h"

namespace edgesmith::onnx {

using namespace compound;

const std::vector<CompoundRow>& all_compounds() {
  static const std::vector<CompoundRow> rows = {
      {"LayerNormalization", "xx", "axis:i epsilon:f stash_type:i", layer_normalization},
      {"QLinearConv", "xxxxxxxx", "auto_pad:s dilations:I group:i kernel_shape:I pads:I strides:I", q_linear_conv,
       true},
      {"QLinearMatMul", "xxxxxxxx", "", q_linear_mat_mul, true},
      {"SimplifiedLayerNormalization", "xx", "axis:i epsilon:f stash_type:i", simplified_layer_normalization},
      {"com.microsoft::Attention", "xx",
       "do_rotary:i mask_filter_value:f num_heads:i past_present_share_buffer:i qkv_hidden_sizes:I scale:f "
       "unidirectional:i",
       attention},
      {"com.microsoft::BiasGelu", "xx", "", bias_gelu},
      {"com.microsoft::DequantizeLinear", "xx", "axis:i block_size:i", dequantize_linear, true},
      {"com.microsoft::DynamicQuantizeLSTM", "xxx.....x.x",
       "activation_alpha:F activation_beta:F activations:S clip:f direction:s hidden_size:i input_forget:i",
       dynamic_quantize_lstm},
      {"com.microsoft::DynamicQuantizeMatMul", "xxx", "", dynamic_quantize_mat_mul},
      {"com.microsoft::EmbedLayerNormalization", "x.xx.xx", "epsilon:f mask_index_type:i", embed_layer_normalization},
      {"com.microsoft::FastGelu", "x", "", fast_gelu},
      {"com.microsoft::FusedConv", "xx",
       "activation:s activation_params:F auto_pad:s dilations:I group:i kernel_shape:I pads:I strides:I", fused_conv},
      {"com.microsoft::FusedGemm", "xx",
       "activation:s activation_alpha:f activation_beta:f activation_gamma:f alpha:f beta:f transA:i transB:i",
       fused_gemm},
      {"com.microsoft::FusedMatMul", "xx", "alpha:f transA:i transB:i transBatchA:i transBatchB:i", fused_mat_mul},
      {"com.microsoft::Gelu", "x", "", gelu},
      {"com.microsoft::MatMulIntegerToFloat", "xxxx", "", mat_mul_integer_to_float},
      {"com.microsoft::MatMulNBits", "xxx", "K:i N:i accuracy_level:i bits:i block_size:i weight_prepacked:i",
       mat_mul_n_bits},
      {"com.microsoft::MultiHeadAttention", "xxx", "mask_filter_value:f num_heads:i scale:f unidirectional:i",
       multi_head_attention},
      {"com.microsoft::QGemm", "xxxxxx", "alpha:f transA:i transB:i", q_gemm, true},
      {"com.microsoft::QLinearAdd", "xx.xx.x", "", q_linear_add, true},
      {"com.microsoft::QLinearAveragePool", "xx.x",
       "auto_pad:s ceil_mode:i channels_last:i count_include_pad:i kernel_shape:I pads:I strides:I",
       q_linear_average_pool, true},
      {"com.microsoft::QLinearConcat", "x.xx", "axis:i", q_linear_concat, true},
      {"com.microsoft::QLinearConv", "xxxxxxxx",
       "auto_pad:s channels_last:i dilations:I group:i kernel_shape:I pads:I strides:I", q_linear_conv, true},
      {"com.microsoft::QLinearGlobalAveragePool", "xx.x", "channels_last:i", q_linear_global_average_pool, true},
      {"com.microsoft::QLinearLeakyRelu", "xx.x", "alpha:f", q_linear_leaky_relu, true},
      {"com.microsoft::QLinearMul", "xx.xx.x", "", q_linear_mul, true},
      {"com.microsoft::QLinearReduceMean", "xx.x", "axes:I keepdims:i", q_linear_reduce_mean, true},
      {"com.microsoft::QLinearSigmoid", "xx.x", "", q_linear_sigmoid, true},
      {"com.microsoft::QLinearSoftmax", "xx.x", "axis:i opset:i", q_linear_softmax, true},
      {"com.microsoft::QLinearWhere", "xxx.xx.x", "", q_linear_where, true},
      {"com.microsoft::QuantizeLinear", "xx", "axis:i block_size:i saturate:i", quantize_linear, true},
      {"com.microsoft::QuickGelu", "x", "alpha:f", quick_gelu},
      {"com.microsoft::SimplifiedLayerNormalization", "xx", "axis:i epsilon:f stash_type:i",
       simplified_layer_normalization},
      {"com.microsoft::SkipLayerNormalization", "xxx", "epsilon:f", skip_layer_normalization},
      {"com.microsoft::SkipSimplifiedLayerNormalization", "xxx", "epsilon:f", skip_simplified_layer_normalization},
      {"com.microsoft::TransposeMatMul", "xx", "alpha:f transA:i transB:i", fused_mat_mul},
  };
  return rows;
}

std::string emit_compound(const CompoundRow& row, Emitter& e) {
  for (size_t i = 0; i < row.operands.size(); ++i) {
    if (row.operands[i] == 'x' && e.input(static_cast<int>(i)) == nullptr) {
      return "operand " + std::to_string(i) + " is missing";
    }
  }
  return row.emit(e);
}

const CompoundRow* find_compound(std::string_view op) {
  const auto& rows = all_compounds();
  const auto at = std::lower_bound(rows.begin(), rows.end(), op,
                                   [](const CompoundRow& row, std::string_view wanted) { return row.op < wanted; });
  return at != rows.end() && at->op == op ? &*at : nullptr;
}

const CompoundRow* find_compound(const NodeView& node) {
  if (!node.domain.empty() && node.domain != "com.microsoft") return nullptr;
  return find_compound((node.domain.empty() ? "" : "com.microsoft::") + std::string(node.op_type));
}

}  // namespace edgesmith::onnx
