// SPDX-License-Identifier: Apache-2.0
// The functions that rows of the table of forms name, and helpers they share.
#pragma once

#include "onnx/forms.h"

namespace edgesmith::onnx::forms {

using Reason = std::string;

/// The integers of operand `index` when it is constant.
std::optional<std::vector<int64_t>> constant_ints(const ir::Node& node, int index);
/// Makes attribute `name` (a list) operand `index`; does nothing when it is absent.
void ints_to_input(RaisedNode& node, RaiseContext& context, std::string_view name, size_t index);
/// Fills missing operands so that the lowered node has exactly those that remain, without absent ones at the end.
void trim(LoweredNode& node);
/// A scalar of a float dtype.
ir::Tensor float_scalar(ir::DType dtype, float value);

// axes.cc: Squeeze, Unsqueeze (axes became an input in 13) and the reductions (ReduceSum in 13, the others in 18).
Reason raise_axes13(RaisedNode& node, RaiseContext& context);
Reason raise_axes18(RaisedNode& node, RaiseContext& context);
int needs_squeeze(const ir::Node& node);
int needs_reduce_sum(const ir::Node& node);
int needs_reduce(const ir::Node& node);
void lower_axes13(const ir::Node& node, LoweredNode& out, LowerContext& context);
void lower_axes18(const ir::Node& node, LoweredNode& out, LowerContext& context);

// clip_pad.cc
Reason raise_clip(RaisedNode& node, RaiseContext& context);
int needs_clip(const ir::Node& node);
void lower_clip(const ir::Node& node, LoweredNode& out, LowerContext& context);
Reason raise_pad(RaisedNode& node, RaiseContext& context);
int needs_pad(const ir::Node& node);
void lower_pad(const ir::Node& node, LoweredNode& out, LowerContext& context);

// slice_split.cc
Reason raise_slice(RaisedNode& node, RaiseContext& context);
int needs_slice(const ir::Node& node);
void lower_slice(const ir::Node& node, LoweredNode& out, LowerContext& context);
Reason raise_split(RaisedNode& node, RaiseContext& context);
int needs_split(const ir::Node& node);
void lower_split(const ir::Node& node, LoweredNode& out, LowerContext& context);

// softmax.cc: before 13 the axes from `axis` on were one.
Reason raise_softmax(RaisedNode& node, RaiseContext& context);
int needs_softmax(const ir::Node& node);
void lower_softmax(const ir::Node& node, LoweredNode& out, LowerContext& context);

// resize.cc: Upsample (7, 9), Resize (10, 11, 13, 18, 19).
Reason raise_upsample(RaisedNode& node, RaiseContext& context);
Reason raise_resize(RaisedNode& node, RaiseContext& context);
int needs_resize(const ir::Node& node);
void lower_resize(const ir::Node& node, LoweredNode& out, LowerContext& context);

// simple.cc: the axis of DFT became an input in 20.
Reason raise_dft(RaisedNode& node, RaiseContext& context);
int needs_dft(const ir::Node& node);
void lower_dft(const ir::Node& node, LoweredNode& out, LowerContext& context);

// inference.cc: operators that also exist for training.
Reason raise_batch_normalization(RaisedNode& node, RaiseContext& context);
Reason raise_dropout(RaisedNode& node, RaiseContext& context);
/// Scatter, the older name of ScatterElements.
Reason raise_scatter(RaisedNode& node, RaiseContext& context);
Reason raise_roi_align(RaisedNode& node, RaiseContext& context);

// simple.cc: attributes that came later and can be left out again when they have their default value.
int needs_pool(const ir::Node& node);
int needs_lp_pool(const ir::Node& node);
int needs_arg(const ir::Node& node);
int needs_attention(const ir::Node& node);
int needs_cast(const ir::Node& node);
int needs_depth_to_space(const ir::Node& node);
int needs_gemm(const ir::Node& node);
int needs_gather_nd(const ir::Node& node);
int needs_scatter(const ir::Node& node);
/// Called Scatter before opset 11.
int needs_scatter_elements(const ir::Node& node);
void lower_scatter_elements(const ir::Node& node, LoweredNode& out, LowerContext& context);
int needs_top_k(const ir::Node& node);
int needs_roi_align(const ir::Node& node);
/// Modes have other names from opset 20 on.
void lower_grid_sample(const ir::Node& node, LoweredNode& out, LowerContext& context);
int needs_quantize(const ir::Node& node);
int needs_reshape(const ir::Node& node);
int needs_shape(const ir::Node& node);
void lower_defaults(const ir::Node& node, LoweredNode& out, LowerContext& context);

}  // namespace edgesmith::onnx::forms
