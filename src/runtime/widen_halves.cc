// SPDX-License-Identifier: Apache-2.0
#include "runtime/widen_halves.h"

#include "edgesmith/ops/op_info.h"
#include "ops/dispatch.h"

namespace edgesmith::runtime {
namespace {

using ir::DType;

constexpr int64_t kOnnxFloat = 1;  // TensorProto.DataType

bool is_half(DType dtype) { return dtype == DType::f16 || dtype == DType::bf16; }
bool is_half(const ir::Value& value) { return is_half(value.type().dtype); }

// Whether a node computes the same on widened operands, results rounded. Double operands of a Cast would be rounded
// twice.
bool may_widen(const ir::Node& node) {
  if (node.subgraphs != nullptr || node.is(ir::OpKind::opaque)) return false;
  const auto fits = [&](const ir::Value& value) {
    if (value.type().dtype == DType::f64 || value.type().dtype == DType::string) return false;
    return !is_half(value) || !value.quant();
  };
  bool any = false;
  for (int i = 0; i < node.num_inputs(); ++i) any = any || (node.input(i) != nullptr && is_half(*node.input(i)));
  for (int i = 0; i < node.num_outputs(); ++i) any = any || is_half(node.output(i));
  if (!any) return true;
  for (int i = 0; i < node.num_inputs(); ++i) {
    if (node.input(i) != nullptr && !fits(*node.input(i))) return false;
  }
  for (int i = 0; i < node.num_outputs(); ++i) {
    if (!fits(node.output(i))) return false;
  }
  return !node.is(ir::OpKind::constant) || node.tensor().encoding() == ir::Encoding::dense;
}

}  // namespace

std::optional<WidenedGraph> widen_halves(const ir::Graph& graph) {
  bool any = false;
  for (const ir::Node& node : graph.nodes()) {
    for (int i = 0; i < node.num_outputs(); ++i) any = any || is_half(node.output(i));
    if (!may_widen(node)) return std::nullopt;
  }
  if (!any) return std::nullopt;
  WidenedGraph widened = {graph.clone(), std::vector(static_cast<size_t>(graph.num_value_ids()), DType::undefined)};
  std::vector<DType> wanted(widened.rounding.size(), DType::undefined);
  for (ir::Node& node : widened.graph.nodes()) {
    for (int i = 0; i < node.num_outputs(); ++i) {
      ir::Value& value = node.output(i);
      const auto id = static_cast<size_t>(value.id());
      wanted[id] = is_half(value) ? DType::f32 : value.type().dtype;
      if (!is_half(value)) continue;
      const bool given = node.is(ir::OpKind::input) || node.is(ir::OpKind::constant);  // halves already
      if (!given) widened.rounding[id] = value.type().dtype;
      if (node.is(ir::OpKind::cast)) node.attributes().set("to", kOnnxFloat);
      if (node.is(ir::OpKind::constant)) {
        widened.graph.set_tensor(node, ops::widen_half(node.tensor()));
      } else {
        ir::Type type = value.type();
        type.dtype = DType::f32;
        value.set_type(std::move(type));
      }
    }
  }
  if (!ops::infer_types(widened.graph)) return std::nullopt;
  for (const ir::Node& node : widened.graph.nodes()) {
    for (int i = 0; i < node.num_outputs(); ++i) {
      if (node.output(i).type().dtype != wanted[static_cast<size_t>(node.output(i).id())]) return std::nullopt;
    }
  }
  return widened;
}

}  // namespace edgesmith::runtime
