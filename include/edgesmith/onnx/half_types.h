// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "edgesmith/ir/graph.h"

namespace edgesmith::onnx {

/// What first_opset_of() says of types that no opset gives an operator.
inline constexpr int64_t kNoOpset = INT64_MAX;

/// The opset that gave bfloat16 to most operators: the exporter raises a file up to it for the types of its nodes.
inline constexpr int64_t kHighestOpsetForHalves = 22;

/// The first opset whose schema of `op` has float16 or bfloat16 (`dtype`) wherever it has float32: in its first result
/// and in its operands, but for those with a type of their own (scales of Resize, places of GridSample, exponents).
/// What operators got before opset 13, where Cast learned bfloat16, counts as 13 for that type.
int64_t first_opset_of(ir::OpKind op, ir::DType dtype);

/// Whether nodes of `op` may compute in `dtype` in the file that `graph` will be: in its source's opset, or in one that
/// the exporter raises it to for that.
bool may_have_type(const ir::Graph& graph, ir::OpKind op, ir::DType dtype);

}  // namespace edgesmith::onnx
