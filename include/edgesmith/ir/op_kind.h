// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace edgesmith::ir {

/// What a node computes. The four structural kinds come first; the operators are the rows of ops.def.
enum class OpKind : uint16_t {
  input,     ///< a graph input: no operands, one output
  output,    ///< the graph's results: its operands, in order; exactly one such node, no outputs
  constant,  ///< a tensor: no operands, one output
  opaque,    ///< something we do not understand, kept byte for byte; a barrier for every pass
#define OP(name, onnx_name) name,
#include "edgesmith/ir/ops.def"
#undef OP
};

/// "conv", "mat_mul"; "input", "output", "constant", "opaque".
std::string_view op_name(OpKind kind);
/// The ONNX operator name ("Conv"); empty for structural kinds.
std::string_view onnx_name(OpKind kind);
std::optional<OpKind> op_from_name(std::string_view name);
std::optional<OpKind> op_from_onnx_name(std::string_view onnx_name);
/// One past the last kind, for tables.
int num_op_kinds();

}  // namespace edgesmith::ir
