// SPDX-License-Identifier: Apache-2.0
// Attributes that were added to an operator later: a node needs the opset that has them only when they say something
// else than their default, and otherwise they are left out.
#include <algorithm>
#include <array>

#include "onnx/forms/forms.h"

namespace edgesmith::onnx::forms {
namespace {

bool all_ones(const ir::Ints& values) {
  return std::all_of(values.begin(), values.end(), [](int64_t v) { return v == 1; });
}

struct LateAttribute {
  std::string_view op, attribute;
  int since;
};
constexpr std::array kLate = {
    LateAttribute{"ArgMax", "select_last_index", 12},
    LateAttribute{"ArgMin", "select_last_index", 12},
    LateAttribute{"Attention", "left_window_size", 25},
    LateAttribute{"Attention", "right_window_size", 25},
    LateAttribute{"AveragePool", "count_include_pad", 7},
    LateAttribute{"AveragePool", "ceil_mode", 10},
    LateAttribute{"AveragePool", "dilations", 19},
    LateAttribute{"Cast", "saturate", 19},
    LateAttribute{"DepthToSpace", "mode", 11},
    LateAttribute{"DequantizeLinear", "axis", 13},
    LateAttribute{"DequantizeLinear", "block_size", 21},
    LateAttribute{"DequantizeLinear", "output_dtype", 23},
    LateAttribute{"GatherND", "batch_dims", 12},
    LateAttribute{"LpPool", "ceil_mode", 18},
    LateAttribute{"LpPool", "dilations", 18},
    LateAttribute{"MaxPool", "storage_order", 8},
    LateAttribute{"MaxPool", "ceil_mode", 10},
    LateAttribute{"MaxPool", "dilations", 10},
    LateAttribute{"QuantizeLinear", "axis", 13},
    LateAttribute{"QuantizeLinear", "saturate", 19},
    LateAttribute{"QuantizeLinear", "block_size", 21},
    LateAttribute{"QuantizeLinear", "output_dtype", 21},
    LateAttribute{"QuantizeLinear", "precision", 23},
    LateAttribute{"Reshape", "allowzero", 14},
    LateAttribute{"RoiAlign", "coordinate_transformation_mode", 16},
    LateAttribute{"ScatterElements", "reduction", 16},
    LateAttribute{"ScatterND", "reduction", 16},
    LateAttribute{"Shape", "start", 15},
    LateAttribute{"Shape", "end", 15},
    LateAttribute{"TopK", "largest", 11},
    LateAttribute{"TopK", "sorted", 11},
};

int rank_of(const ir::Node& node, int index) {
  return node.input(index) != nullptr ? node.input(index)->type().rank() : -1;
}

bool is_integer16(ir::DType dtype) { return dtype == ir::DType::i16 || dtype == ir::DType::u16; }

}  // namespace

int needs_pool(const ir::Node& node) {
  const ir::Attributes& a = node.attributes();
  const bool max = node.is(ir::OpKind::max_pool);
  if (!all_ones(a.get_ints("dilations"))) return max ? 10 : 19;
  if (a.get_int("ceil_mode", 0) != 0) return 10;
  if (node.num_outputs() > 1 || a.get_int("storage_order", 0) != 0) return 8;
  return a.get_int("count_include_pad", 0) != 0 ? 7 : 1;
}

int needs_lp_pool(const ir::Node& node) {
  const ir::Attributes& a = node.attributes();
  return !all_ones(a.get_ints("dilations")) || a.get_int("ceil_mode", 0) != 0 ? 18 : 2;
}

int needs_arg(const ir::Node& node) { return node.attributes().get_int("select_last_index", 0) != 0 ? 12 : 1; }
int needs_cast(const ir::Node& node) { return node.attributes().get_int("saturate", 1) == 0 ? 19 : 6; }
int needs_depth_to_space(const ir::Node& node) { return node.attributes().get_string("mode", "DCR") != "DCR" ? 11 : 1; }
int needs_gather_nd(const ir::Node& node) { return node.attributes().get_int("batch_dims", 0) != 0 ? 12 : 11; }
int needs_scatter_elements(const ir::Node& node) {
  return node.attributes().get_string("reduction", "none") == "none" ? 9 : needs_scatter(node);
}
void lower_scatter_elements(const ir::Node& node, LoweredNode& out, LowerContext& context) {
  lower_defaults(node, out, context);
  if (context.opset() < 11) out.op = "Scatter";
}
int needs_scatter(const ir::Node& node) {
  const std::string reduction = node.attributes().get_string("reduction", "none");
  if (reduction == "none") return 11;
  return reduction == "add" || reduction == "mul" ? 16 : 18;
}
int needs_top_k(const ir::Node& node) {
  const ir::Attributes& a = node.attributes();
  return a.get_int("largest", 1) != 1 || a.get_int("sorted", 1) != 1 ? 11 : 10;
}
int needs_gemm(const ir::Node& node) { return node.input(2) == nullptr ? 11 : 6; }
int needs_reshape(const ir::Node& node) { return node.attributes().get_int("allowzero", 0) != 0 ? 14 : 5; }
int needs_shape(const ir::Node& node) {
  return node.attributes().has("end") || node.attributes().get_int("start", 0) != 0 ? 15 : 1;
}

int needs_quantize(const ir::Node& node) {
  const ir::Attributes& a = node.attributes();
  if (a.get_int("precision", 0) != 0) return 23;
  if (node.is(ir::OpKind::dequantize_linear) && a.get_int("output_dtype", 0) != 0) return 23;
  const ir::DType codes =
      node.is(ir::OpKind::quantize_linear) ? node.output().type().dtype : node.input(0)->type().dtype;
  if (ir::dtype_bits(codes) == 2) return 25;
  if (ir::dtype_bits(codes) == 4 || is_integer16(codes) || a.get_int("block_size", 0) != 0 ||
      a.get_int("output_dtype", 0) != 0) {
    return 21;
  }
  if (a.get_int("saturate", 1) == 0 || (ir::dtype_bits(codes) == 8 && !ir::is_integer(codes))) return 19;
  const int scale_rank = rank_of(node, 1);
  return scale_rank > 0 ? 13 : 10;
}

int needs_roi_align(const ir::Node& node) {
  return node.attributes().get_string("coordinate_transformation_mode", "half_pixel") == "half_pixel" ? 16 : 10;
}

Reason raise_roi_align(RaisedNode& node, RaiseContext& context) {
  if (context.opset() < 16) node.attributes.set("coordinate_transformation_mode", std::string("output_half_pixel"));
  return {};
}

void lower_grid_sample(const ir::Node& node, LoweredNode& out, LowerContext& context) {
  if (!node.attributes().has("mode")) return;
  std::string mode = node.attributes().get_string("mode", "");
  const bool prefixed = mode == "bilinear" || mode == "bicubic";
  if (context.opset() >= 20 && prefixed) mode = mode.substr(2);
  if (context.opset() < 20 && (mode == "linear" || mode == "cubic")) mode = "bi" + mode;
  out.attributes.set("mode", mode);
}

int needs_attention(const ir::Node& node) {
  const ir::Attributes& a = node.attributes();
  if (a.get_int("left_window_size", -1) != -1 || a.get_int("right_window_size", -1) != -1) return 25;
  return node.input(6) != nullptr ? 24 : 23;
}

Reason raise_dft(RaisedNode& node, RaiseContext& context) {
  if (context.opset() >= 20) return node.attributes.has("axis") ? "axis is no attribute from opset 20 on" : "";
  const int64_t axis = node.attributes.get_int("axis", 1);
  node.attributes.erase("axis");
  node.set_input(2, context.constant(ir::Tensor::scalar<int64_t>(axis)));
  return {};
}

int needs_dft(const ir::Node& node) {
  const bool backward = node.attributes().get_int("inverse", 0) != 0 && node.attributes().get_int("onesided", 0) != 0;
  return !backward && constant_ints(node, 2) ? 17 : 20;
}

void lower_dft(const ir::Node& node, LoweredNode& out, LowerContext& context) {
  if (context.opset() >= 20) return;
  if (const auto axis = constant_ints(node, 2); axis && axis->size() == 1) out.attributes.set("axis", axis->front());
  out.drop_inputs_from(2);
  trim(out);
}

Reason raise_scatter(RaisedNode& node, RaiseContext&) {
  node.op = "ScatterElements";
  return {};
}

void lower_defaults(const ir::Node&, LoweredNode& out, LowerContext& context) {
  for (const LateAttribute& late : kLate) {
    if (late.op == out.op && context.opset() < late.since) out.attributes.erase(late.attribute);
  }
}

}  // namespace edgesmith::onnx::forms
