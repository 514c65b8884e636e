// SPDX-License-Identifier: Apache-2.0
#include "onnx/export_opset.h"

#include <algorithm>

#include "edgesmith/ir/structural.h"
#include "edgesmith/onnx/half_types.h"
#include "onnx/foreign.h"
#include "onnx/forms.h"
#include "onnx/node_order.h"
#include "onnx/subgraph.h"

namespace edgesmith::onnx {
namespace {

constexpr int64_t kOpsetWithoutSource = 13;
constexpr int64_t kOpsetOfIndices = 9;  // Cast and Gather of the types that we write, Add that broadcasts

/// The opset whose QuantizeLinear and DequantizeLinear can say `quant`.
int64_t needed_by(const ir::Quant& quant) {
  const int bits = ir::dtype_bits(quant.dtype);
  if (bits == 2) return 25;
  if (bits == 4 || bits == 16 || quant.block_size > 0) return 21;
  return quant.per_tensor() ? 10 : 13;
}

/// The opset from which a node that moves values moves 8-bit codes too. Runtimes drop the DequantizeLinear before such
/// a node and the QuantizeLinear behind it; ONNX Runtime then refuses types that the operator had not yet.
int64_t needed_for_codes(const ir::Node& node) {
  const bool reduces = node.is(ir::OpKind::reduce_max) || node.is(ir::OpKind::reduce_min);
  if (!reduces && !node.is(ir::OpKind::depth_to_space)) return 1;
  if (!node.input(0)->quant() || !node.output().quant()) return 1;
  return reduces ? 12 : 11;
}

/// The palette of a constant that somebody reads, or null.
const ir::Tensor* palette_of(const ir::Node& node) {
  return node.is(ir::OpKind::constant) && !node.output().unused() ? node.tensor().as_palette() : nullptr;
}

/// The type of half floats that `node` computes in, or undefined.
ir::DType half_type_of(const ir::Node& node) {
  if (ir::is_structural(node) || node.is(ir::OpKind::opaque)) return ir::DType::undefined;
  const auto is_half = [](const ir::Value* value) {
    return value != nullptr && (value->type().dtype == ir::DType::f16 || value->type().dtype == ir::DType::bf16);
  };
  for (int i = 0; i < node.num_outputs(); ++i) {
    if (is_half(&node.output(i))) return node.output(i).type().dtype;
  }
  return node.num_inputs() > 0 && is_half(node.input(0)) ? node.input(0)->type().dtype : ir::DType::undefined;
}

struct Need {
  int64_t opset = 1;
  std::string why;

  void raise(int64_t to, const std::string& reason) {
    if (to <= opset) return;
    opset = to;
    why = reason;
  }
};

/// `packed`: indices of codebooks take 4 bits where they fit.
Need needed_by(const ir::Graph& graph, bool packed_indices) {
  Need need;
  for (const ir::Node& node : graph.nodes()) {
    need.raise(needed_opset(node), node.label() + " needs it");
    need.raise(needed_for_codes(node), node.label() + " on codes needs it");
    if (const ir::Tensor* palette = palette_of(node)) {
      const bool packed = packed_indices && palette->codes().dtype() == ir::DType::u4;
      need.raise(packed ? kOpsetOfPackedIndices : kOpsetOfIndices,
                 packed ? "4-bit indices of codebooks need it" : "indices of codebooks need it");
    }
    if (const ir::DType half = half_type_of(node); half != ir::DType::undefined) {
      const int64_t opset = first_opset_of(node.op(), half);
      const std::string type = half == ir::DType::f16 ? "float16" : "bfloat16";
      if (opset <= kHighestOpsetForHalves) need.raise(opset, node.label() + " in " + type + " needs it");
    }
    for (int i = 0; i < node.num_outputs(); ++i) {
      const ir::Value& value = node.output(i);
      if (!value.quant()) continue;
      const ir::Quant& quant = *value.quant();
      std::string what(ir::dtype_name(quant.dtype));
      if (!quant.per_tensor()) what = "per-channel " + what;
      need.raise(needed_by(quant), what + " DequantizeLinear needs it");
    }
  }
  return need;
}

/// The operator of an opaque node (or of a node in its subgraphs) that may change its meaning, or "".
std::string changed_meaning(const ir::Node& node, int64_t from, int64_t to) {
  const auto* opaque = foreign_as<OpaqueForeign>(node.foreign);
  if (opaque == nullptr) return {};
  const auto view = parse_node(opaque->message);
  if (!view) return {};
  std::string found;
  const auto look = [&](const NodeView& inner) {
    if (found.empty() && inner.domain.empty() && !same_meaning(inner.op_type, from, to)) found = inner.op_type;
  };
  look(*view);
  for_each_inner_node(*view, look);
  return found;
}

Result<OpsetPlan> plan_for(const ir::Graph& graph, const Need& need) {
  OpsetPlan plan;
  if (const auto* model = foreign_as<ModelForeign>(graph.foreign)) plan.source = model->opset;
  if (plan.source == 0) {
    plan.opset = std::max(kOpsetWithoutSource, need.opset);
    return plan;
  }
  plan.opset = std::max(plan.source, need.opset);
  if (plan.opset == plan.source) return plan;
  const std::string raise = std::to_string(plan.source) + " to " + std::to_string(plan.opset);
  for (const ir::Node& node : graph.nodes()) {
    const std::string op = changed_meaning(node, plan.source, plan.opset);
    if (op.empty()) continue;
    return unsupported_error(node.label() + ": the opset would have to be raised from " + raise + " (" + need.why +
                                 "), where " + op + " means something else",
                             "convert the model with onnx.version_converter first");
  }
  plan.note = "opset raised from " + raise + ": " + need.why;
  return plan;
}

}  // namespace

Result<OpsetPlan> plan_opset(const ir::Graph& graph) {
  const Need need = needed_by(graph, true);
  auto plan = plan_for(graph, need);
  if (plan) return plan;
  const Need wide = needed_by(graph, false);
  if (wide.opset == need.opset) return plan;
  auto other = plan_for(graph, wide);
  if (!other) return other;
  other->note += (other->note.empty() ? "" : "; ") + ("indices of codebooks take 8 bits: " + plan.error().message);
  return other;
}

}  // namespace edgesmith::onnx
