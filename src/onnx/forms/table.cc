// SPDX-License-Identifier: Apache-2.0
// The table of forms, in alphabetical order. `since` is the oldest opset whose form of the operator we read: 1 where
// nothing but element types changed, once the attributes in the row are the only ones.
#include <algorithm>
#include <array>

#include "onnx/forms/forms.h"

namespace edgesmith::onnx {
namespace {

using namespace forms;

constexpr std::string_view kConv = "auto_pad:s dilations:I group:i kernel_shape:I pads:I strides:I";
constexpr std::string_view kReduce = "axes:I keepdims:i noop_with_empty_axes:i";
constexpr std::string_view kArg = "axis:i keepdims:i select_last_index:i";

constexpr std::array kRows = {
    FormRow{"Abs", 6, ""},
    FormRow{"Acos", 7, ""},
    FormRow{"Acosh", 9, ""},
    FormRow{"Add", 1, ""},
    FormRow{"And", 1, ""},
    FormRow{"ArgMax", 1, kArg, nullptr, needs_arg, lower_defaults},
    FormRow{"ArgMin", 1, kArg, nullptr, needs_arg, lower_defaults},
    FormRow{"Asin", 7, ""},
    FormRow{"Asinh", 9, ""},
    FormRow{"Atan", 7, ""},
    FormRow{"Atanh", 9, ""},
    FormRow{"Attention", 23,
            "is_causal:i kv_num_heads:i left_window_size:i q_num_heads:i qk_matmul_output_mode:i right_window_size:i "
            "scale:f softcap:f softmax_precision:i",
            nullptr, needs_attention, lower_defaults},
    FormRow{"AveragePool", 1, "auto_pad:s ceil_mode:i count_include_pad:i dilations:I kernel_shape:I pads:I strides:I",
            nullptr, needs_pool, lower_defaults},
    FormRow{"BatchNormalization", 7, "epsilon:f momentum:f spatial:i training_mode:i", raise_batch_normalization},
    FormRow{"BitShift", 11, "direction:s"},
    FormRow{"BitwiseAnd", 18, ""},
    FormRow{"BitwiseNot", 18, ""},
    FormRow{"BitwiseOr", 18, ""},
    FormRow{"BitwiseXor", 18, ""},
    FormRow{"BlackmanWindow", 17, "output_datatype:i periodic:i"},
    FormRow{"Cast", 6, "to:i saturate:i", nullptr, needs_cast, lower_defaults},
    FormRow{"CastLike", 15, "saturate:i"},
    FormRow{"Ceil", 6, ""},
    FormRow{"Celu", 12, "alpha:f"},
    FormRow{"Clip", 6, "min:f max:f", raise_clip, needs_clip, lower_clip},
    FormRow{"Compress", 9, "axis:i"},
    FormRow{"Concat", 4, "axis:i"},
    FormRow{"ConstantOfShape", 9, "value:t"},
    FormRow{"Conv", 1, kConv},
    FormRow{"ConvInteger", 10, "auto_pad:s dilations:I group:i kernel_shape:I pads:I strides:I"},
    FormRow{"ConvTranspose", 1,
            "auto_pad:s dilations:I group:i kernel_shape:I output_padding:I output_shape:I pads:I strides:I"},
    FormRow{"Cos", 7, ""},
    FormRow{"Cosh", 9, ""},
    FormRow{"CumSum", 11, "exclusive:i reverse:i"},
    FormRow{"DFT", 17, "axis:i inverse:i onesided:i", raise_dft, needs_dft, lower_dft},
    FormRow{"DepthToSpace", 1, "blocksize:i mode:s", nullptr, needs_depth_to_space, lower_defaults},
    FormRow{"DequantizeLinear", 10, "axis:i block_size:i output_dtype:i", nullptr, needs_quantize, lower_defaults},
    FormRow{"Det", 11, ""},
    FormRow{"Div", 1, ""},
    FormRow{"Dropout", 7, "ratio:f seed:i", raise_dropout},
    FormRow{"DynamicQuantizeLinear", 11, ""},
    FormRow{"Einsum", 12, "equation:s"},
    FormRow{"Elu", 6, "alpha:f"},
    FormRow{"Equal", 1, ""},
    FormRow{"Erf", 9, ""},
    FormRow{"Exp", 6, ""},
    FormRow{"Expand", 8, ""},
    FormRow{"EyeLike", 9, "dtype:i k:i"},
    FormRow{"Flatten", 1, "axis:i"},
    FormRow{"Floor", 6, ""},
    FormRow{"GRU", 7,
            "activation_alpha:F activation_beta:F activations:S clip:f direction:s hidden_size:i layout:i "
            "linear_before_reset:i"},
    FormRow{"Gather", 1, "axis:i"},
    FormRow{"GatherElements", 11, "axis:i"},
    FormRow{"GatherND", 11, "batch_dims:i", nullptr, needs_gather_nd, lower_defaults},
    FormRow{"Gelu", 20, "approximate:s"},
    FormRow{"Gemm", 6, "alpha:f beta:f transA:i transB:i", nullptr, needs_gemm},
    FormRow{"GlobalAveragePool", 1, ""},
    FormRow{"GlobalLpPool", 2, "p:i"},
    FormRow{"GlobalMaxPool", 1, ""},
    FormRow{"Greater", 1, ""},
    FormRow{"GreaterOrEqual", 12, ""},
    FormRow{"GridSample", 16, "align_corners:i mode:s padding_mode:s", nullptr, nullptr, lower_grid_sample},
    FormRow{"GroupNormalization", 21, "epsilon:f num_groups:i stash_type:i"},
    FormRow{"HammingWindow", 17, "output_datatype:i periodic:i"},
    FormRow{"HannWindow", 17, "output_datatype:i periodic:i"},
    FormRow{"HardSigmoid", 6, "alpha:f beta:f"},
    FormRow{"HardSwish", 14, ""},
    FormRow{"Hardmax", 1, "axis:i", raise_softmax, needs_softmax, lower_softmax},
    FormRow{"Identity", 1, ""},
    FormRow{"InstanceNormalization", 6, "epsilon:f"},
    FormRow{"IsInf", 10, "detect_negative:i detect_positive:i"},
    FormRow{"IsNaN", 9, ""},
    FormRow{"LRN", 1, "alpha:f beta:f bias:f size:i"},
    FormRow{
        "LSTM", 7,
        "activation_alpha:F activation_beta:F activations:S clip:f direction:s hidden_size:i layout:i input_forget:i"},
    FormRow{"LayerNormalization", 17, "axis:i epsilon:f stash_type:i"},
    FormRow{"LeakyRelu", 6, "alpha:f"},
    FormRow{"Less", 1, ""},
    FormRow{"LessOrEqual", 12, ""},
    FormRow{"Log", 6, ""},
    FormRow{"LogSoftmax", 1, "axis:i", raise_softmax, needs_softmax, lower_softmax},
    FormRow{"LpNormalization", 1, "axis:i p:i"},
    FormRow{"LpPool", 2, "auto_pad:s ceil_mode:i dilations:I kernel_shape:I p:i pads:I strides:I", nullptr,
            needs_lp_pool, lower_defaults},
    FormRow{"MatMul", 1, ""},
    FormRow{"MatMulInteger", 10, ""},
    FormRow{"Max", 6, ""},
    FormRow{"MaxPool", 1, "auto_pad:s ceil_mode:i dilations:I kernel_shape:I pads:I storage_order:i strides:I", nullptr,
            needs_pool, lower_defaults},
    FormRow{"MaxUnpool", 9, "kernel_shape:I pads:I strides:I"},
    FormRow{"Mean", 6, ""},
    FormRow{"MeanVarianceNormalization", 9, "axes:I"},
    FormRow{"MelWeightMatrix", 17, "output_datatype:i"},
    FormRow{"Min", 6, ""},
    FormRow{"Mish", 18, ""},
    FormRow{"Mod", 10, "fmod:i"},
    FormRow{"Mul", 1, ""},
    FormRow{"Neg", 6, ""},
    FormRow{"NegativeLogLikelihoodLoss", 12, "ignore_index:i reduction:s"},
    FormRow{"NonMaxSuppression", 10, "center_point_box:i"},
    FormRow{"NonZero", 9, ""},
    FormRow{"Not", 1, ""},
    FormRow{"OneHot", 9, "axis:i"},
    FormRow{"Or", 1, ""},
    FormRow{"PRelu", 7, ""},
    FormRow{"Pad", 2, "mode:s pads:I value:f", raise_pad, needs_pad, lower_pad},
    FormRow{"Pow", 1, ""},
    FormRow{"QuantizeLinear", 10, "axis:i block_size:i output_dtype:i precision:i saturate:i", nullptr, needs_quantize,
            lower_defaults},
    FormRow{"RMSNormalization", 23, "axis:i epsilon:f stash_type:i"},
    FormRow{"RNN", 7, "activation_alpha:F activation_beta:F activations:S clip:f direction:s hidden_size:i layout:i"},
    FormRow{"Range", 11, ""},
    FormRow{"Reciprocal", 6, ""},
    FormRow{"ReduceL1", 1, kReduce, raise_axes18, needs_reduce, lower_axes18},
    FormRow{"ReduceL2", 1, kReduce, raise_axes18, needs_reduce, lower_axes18},
    FormRow{"ReduceLogSum", 1, kReduce, raise_axes18, needs_reduce, lower_axes18},
    FormRow{"ReduceLogSumExp", 1, kReduce, raise_axes18, needs_reduce, lower_axes18},
    FormRow{"ReduceMax", 1, kReduce, raise_axes18, needs_reduce, lower_axes18},
    FormRow{"ReduceMean", 1, kReduce, raise_axes18, needs_reduce, lower_axes18},
    FormRow{"ReduceMin", 1, kReduce, raise_axes18, needs_reduce, lower_axes18},
    FormRow{"ReduceProd", 1, kReduce, raise_axes18, needs_reduce, lower_axes18},
    FormRow{"ReduceSum", 1, kReduce, raise_axes13, needs_reduce_sum, lower_axes13},
    FormRow{"ReduceSumSquare", 1, kReduce, raise_axes18, needs_reduce, lower_axes18},
    FormRow{"Relu", 6, ""},
    FormRow{"Reshape", 5, "allowzero:i", nullptr, needs_reshape, lower_defaults},
    FormRow{"Resize", 10,
            "antialias:i axes:I coordinate_transformation_mode:s cubic_coeff_a:f exclude_outside:i "
            "extrapolation_value:f keep_aspect_ratio_policy:s mode:s nearest_mode:s",
            raise_resize, needs_resize, lower_resize},
    FormRow{"ReverseSequence", 10, "batch_axis:i time_axis:i"},
    FormRow{"RoiAlign", 10,
            "coordinate_transformation_mode:s mode:s output_height:i output_width:i sampling_ratio:i spatial_scale:f",
            raise_roi_align, needs_roi_align, lower_defaults},
    FormRow{"RotaryEmbedding", 23, "interleaved:i num_heads:i rotary_embedding_dim:i"},
    FormRow{"Round", 11, ""},
    FormRow{"STFT", 17, "onesided:i"},
    FormRow{"Scatter", 9, "axis:i", raise_scatter},
    FormRow{"ScatterElements", 11, "axis:i reduction:s", nullptr, needs_scatter_elements, lower_scatter_elements},
    FormRow{"ScatterND", 11, "reduction:s", nullptr, needs_scatter, lower_defaults},
    FormRow{"Selu", 6, "alpha:f gamma:f"},
    FormRow{"Shape", 1, "end:i start:i", nullptr, needs_shape, lower_defaults},
    FormRow{"Shrink", 9, "bias:f lambd:f"},
    FormRow{"Sigmoid", 6, ""},
    FormRow{"Sign", 9, ""},
    FormRow{"Sin", 7, ""},
    FormRow{"Sinh", 9, ""},
    FormRow{"Size", 1, ""},
    FormRow{"Slice", 1, "axes:I ends:I starts:I", raise_slice, needs_slice, lower_slice},
    FormRow{"Softmax", 1, "axis:i", raise_softmax, needs_softmax, lower_softmax},
    FormRow{"SoftmaxCrossEntropyLoss", 12, "ignore_index:i reduction:s"},
    FormRow{"Softplus", 1, ""},
    FormRow{"Softsign", 1, ""},
    FormRow{"SpaceToDepth", 1, "blocksize:i"},
    FormRow{"Split", 2, "axis:i num_outputs:i split:I", raise_split, needs_split, lower_split},
    FormRow{"Sqrt", 6, ""},
    FormRow{"Squeeze", 1, "axes:I", raise_axes13, needs_squeeze, lower_axes13},
    FormRow{"Sub", 1, ""},
    FormRow{"Sum", 6, ""},
    FormRow{"Swish", 24, "alpha:f"},
    FormRow{"Tan", 7, ""},
    FormRow{"Tanh", 6, ""},
    FormRow{"ThresholdedRelu", 10, "alpha:f"},
    FormRow{"Tile", 6, ""},
    FormRow{"TopK", 10, "axis:i largest:i sorted:i", nullptr, needs_top_k, lower_defaults},
    FormRow{"Transpose", 1, "perm:I"},
    FormRow{"Trilu", 14, "upper:i"},
    FormRow{"Unique", 11, "axis:i sorted:i"},
    FormRow{"Unsqueeze", 1, "axes:I", raise_axes13, needs_squeeze, lower_axes13},
    FormRow{"Upsample", 7, "mode:s scales:F", raise_upsample},
    FormRow{"Where", 9, ""},
    FormRow{"Xor", 1, ""},
};

static_assert(std::is_sorted(kRows.begin(), kRows.end(),
                             [](const FormRow& a, const FormRow& b) { return a.op < b.op; }));

/// Opsets in which an operator that we keep opaque changed in a way that an old node may not survive.
struct BreakingChange {
  std::string_view op;
  std::array<int, 3> opsets;
};
constexpr std::array kBreaking = {
    BreakingChange{"BatchNormalization", {9, 14, 0}},
    BreakingChange{"Cast", {6, 0, 0}},
    BreakingChange{"Clip", {11, 0, 0}},
    BreakingChange{"DFT", {20, 0, 0}},
    BreakingChange{"Dropout", {12, 0, 0}},
    BreakingChange{"GridSample", {20, 0, 0}},
    BreakingChange{"GroupNormalization", {21, 0, 0}},
    BreakingChange{"Hardmax", {13, 0, 0}},
    BreakingChange{"LogSoftmax", {13, 0, 0}},
    BreakingChange{"Pad", {11, 0, 0}},
    BreakingChange{"ReduceL1", {18, 0, 0}},
    BreakingChange{"ReduceL2", {18, 0, 0}},
    BreakingChange{"ReduceLogSum", {18, 0, 0}},
    BreakingChange{"ReduceLogSumExp", {18, 0, 0}},
    BreakingChange{"ReduceMax", {18, 0, 0}},
    BreakingChange{"ReduceMean", {18, 0, 0}},
    BreakingChange{"ReduceMin", {18, 0, 0}},
    BreakingChange{"ReduceProd", {18, 0, 0}},
    BreakingChange{"ReduceSum", {13, 0, 0}},
    BreakingChange{"ReduceSumSquare", {18, 0, 0}},
    BreakingChange{"Resize", {11, 13, 18}},
    BreakingChange{"Scan", {9, 0, 0}},
    BreakingChange{"Scatter", {11, 0, 0}},
    BreakingChange{"Slice", {10, 0, 0}},
    BreakingChange{"Softmax", {13, 0, 0}},
    BreakingChange{"Split", {13, 18, 0}},
    BreakingChange{"Squeeze", {13, 0, 0}},
    BreakingChange{"TopK", {10, 0, 0}},
    BreakingChange{"Unsqueeze", {13, 0, 0}},
    BreakingChange{"Upsample", {9, 10, 0}},
};

}  // namespace

const FormRow* find_form(std::string_view onnx_op) {
  const auto at = std::lower_bound(kRows.begin(), kRows.end(), onnx_op,
                                   [](const FormRow& row, std::string_view op) { return row.op < op; });
  return at != kRows.end() && at->op == onnx_op ? &*at : nullptr;
}

int needed_opset(const ir::Node& node) {
  const FormRow* row = find_form(ir::onnx_name(node.op()));
  if (row == nullptr) return 1;
  return row->needs != nullptr ? row->needs(node) : row->since;
}

bool same_meaning(std::string_view onnx_op, int64_t from, int64_t to) {
  for (const BreakingChange& change : kBreaking) {
    if (change.op != onnx_op) continue;
    for (int opset : change.opsets) {
      if (from < opset && opset <= to) return false;
    }
  }
  // An operator that did not exist yet meant nothing.
  const FormRow* row = find_form(onnx_op);
  return row == nullptr || from >= row->since || to < row->since;
}

int64_t ir_version_of(int64_t opset) {
  constexpr std::array<std::pair<int, int>, 9> kVersions = {
      {{8, 3}, {9, 4}, {10, 5}, {11, 6}, {14, 7}, {18, 8}, {19, 9}, {22, 10}, {24, 11}}};
  for (const auto& [last_opset, version] : kVersions) {
    if (opset <= last_opset) return version;
  }
  return 12;
}

}  // namespace edgesmith::onnx
