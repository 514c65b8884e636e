// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/ir/op_kind.h"

#include <iterator>

namespace edgesmith::ir {
namespace {

struct Row {
  std::string_view name, onnx_name;
};

constexpr Row kOpRows[] = {
    {"input", ""},
    {"output", ""},
    {"constant", ""},
    {"opaque", ""},
#define OP(name, onnx_name) {#name, onnx_name},
#include "edgesmith/ir/ops.def"
#undef OP
};

}  // namespace

std::string_view op_name(OpKind kind) { return kOpRows[static_cast<size_t>(kind)].name; }
std::string_view onnx_name(OpKind kind) { return kOpRows[static_cast<size_t>(kind)].onnx_name; }

std::optional<OpKind> op_from_name(std::string_view name) {
  for (size_t i = 0; i < std::size(kOpRows); ++i) {
    if (kOpRows[i].name == name) return static_cast<OpKind>(i);
  }
  return std::nullopt;
}

std::optional<OpKind> op_from_onnx_name(std::string_view name) {
  if (name.empty()) return std::nullopt;
  for (size_t i = 0; i < std::size(kOpRows); ++i) {
    if (kOpRows[i].onnx_name == name) return static_cast<OpKind>(i);
  }
  return std::nullopt;
}

int num_op_kinds() { return static_cast<int>(std::size(kOpRows)); }

}  // namespace edgesmith::ir
