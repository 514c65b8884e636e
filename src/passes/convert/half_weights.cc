// SPDX-License-Identifier: Apache-2.0
#include "passes/convert/half_weights.h"

namespace edgesmith::passes {

std::string_view long_name(ir::DType dtype) {
  return dtype == ir::DType::f16 ? "float16" : dtype == ir::DType::bf16 ? "bfloat16" : "float32";
}

std::string half_weights_hint(const ir::Graph& graph) {
  for (const ir::Node& node : graph.nodes()) {
    if (!node.is(ir::OpKind::constant) || node.tensor().rank() < 2) continue;
    const ir::DType dtype = node.tensor().dtype();
    if (dtype != ir::DType::f16 && dtype != ir::DType::bf16) continue;
    return ": weights are " + std::string(long_name(dtype)) +
           "; first make them float32: 'edgesmith convert MODEL --to fp32 -o FLOAT.onnx'";
  }
  return "";
}

}  // namespace edgesmith::passes
