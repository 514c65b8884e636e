// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/passes/inner_cost.h"

#include <algorithm>

#include "edgesmith/ir/subgraphs.h"
#include "edgesmith/ops/op_info.h"

namespace edgesmith::passes {
namespace {

using Kind = ir::Subgraphs::Kind;

// The type of one slice of a scanned operand.
ir::Type slice_of(ir::Type type, int64_t axis) {
  if (!type.shape) return type;
  axis += axis < 0 ? type.rank() : 0;
  if (axis < 0 || axis >= type.rank()) {
    type.shape.reset();
  } else {
    type.shape->erase(type.shape->begin() + axis);
  }
  return type;
}

// Gives the inputs of a body the types of what the node reads: states as they are before the first step.
void set_input_types(ir::Graph& body, const ir::Node& node) {
  const ir::Subgraphs& inside = *node.subgraphs;
  const std::vector<ir::Value*> formals = body.inputs();
  const int captured = node.num_inputs() - inside.num_inputs;
  const int own = static_cast<int>(formals.size()) - captured;
  const int first_scanned = inside.num_inputs - inside.num_scanned;
  for (int i = 0; i < static_cast<int>(formals.size()); ++i) {
    const bool outer = i >= own;
    // Step number and condition of a Loop are what they are.
    if (!outer && inside.kind == Kind::loop && i < 2) continue;
    const int operand = outer ? inside.num_inputs + i - own : i + (inside.batched ? 1 : 0);
    const ir::Value* value = node.input(operand);
    if (value == nullptr || inside.batched) continue;
    ir::Type type = value->type();
    if (!outer && inside.kind == Kind::scan && i >= first_scanned) {
      const auto slice = static_cast<size_t>(i - first_scanned);
      type = slice_of(std::move(type), slice < inside.input_axes.size() ? inside.input_axes[slice] : 0);
    }
    ir::Value& formal = *formals[static_cast<size_t>(i)];
    if (type.dtype == ir::DType::undefined) type.dtype = formal.type().dtype;
    formal.set_type(std::move(type));
    // Shapes are computed from constants.
    if (outer && value->constant() != nullptr && !formal.unused()) {
      body.replace_all_uses(formal, body.add_constant(*value->constant()));
    }
  }
}

int64_t count_nonzero(const ir::Tensor& tensor) {
  const std::vector<float> numbers = tensor.to_floats();
  return std::count_if(numbers.begin(), numbers.end(), [](float x) { return x != 0; });
}

// Operand `index` are codes that it multiplies: those of compound operators stand before the last scales and zero
// points.
bool multiplies_codes(const ir::Node& node, int index) {
  if (node.is(ir::OpKind::mat_mul_integer) || node.is(ir::OpKind::conv_integer)) return index == 1;
  const bool spelled_out =
      node.subgraphs != nullptr && node.subgraphs->kind == Kind::function && !node.subgraphs->local;
  return spelled_out && index > 0 && index <= 3;
}

}  // namespace

bool is_parameter(const ir::Node& constant) {
  if (!constant.is(ir::OpKind::constant) || constant.tensor().rank() == 0) return false;
  const ir::DType dtype = constant.tensor().dtype();
  if (ir::is_float(dtype)) return true;
  if (constant.tensor().rank() < 2 || dtype == ir::DType::string || ir::dtype_bits(dtype) > 8) return false;
  const auto uses = constant.output().uses();
  return std::any_of(uses.begin(), uses.end(),
                     [](const ir::Use& use) { return multiplies_codes(*use.node, use.index); });
}

bool is_dynamic(const ir::Node& node) {
  return node.is(ir::OpKind::mat_mul_integer) || node.is(ir::OpKind::conv_integer) ||
         node.opaque_op.starts_with("com.microsoft::DynamicQuantize");
}

InnerCost inner_cost(const ir::Node& node, bool look_at_weights) {
  InnerCost total;
  if (node.subgraphs == nullptr) return total;
  for (const ir::Graph& graph : node.subgraphs->graphs) {
    InnerCost cost;
    for (const ir::Node& inner : graph.nodes()) {
      if (!is_parameter(inner)) continue;
      cost.params += inner.tensor().size();
      cost.nonzero += look_at_weights ? count_nonzero(inner.tensor()) : inner.tensor().size();
    }
    ir::Graph typed = graph.clone();
    set_input_types(typed, node);
    if (!ops::infer_types(typed)) typed = graph.clone();  // a branch that is nonsense costs what is known of it
    for (const ir::Node& inner : typed.nodes()) {
      const InnerCost below = inner_cost(inner, look_at_weights);
      cost.macs += ops::cost_of(inner).macs + below.macs;
      cost.params += below.params;
      cost.nonzero += below.nonzero;
    }
    total.macs = node.subgraphs->kind == Kind::branches ? std::max(total.macs, cost.macs) : total.macs + cost.macs;
    total.params += cost.params;
    total.nonzero += cost.nonzero;
  }
  return total;
}

}  // namespace edgesmith::passes
