// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/assignment.h"

#include <algorithm>

#include "edgesmith/base/check.h"
#include "edgesmith/ops/op_info.h"
#include "passes/quantize/node_form.h"
#include "passes/quantize/raise_scales.h"

namespace edgesmith::passes::quantize {
namespace {

bool is_own(const ir::Value& value, const ir::Node& node) {
  return std::all_of(value.uses().begin(), value.uses().end(), [&](const ir::Use& use) { return use.node == &node; });
}

template <typename Code>
ir::Tensor codes_as(const ir::Tensor& tensor, const ir::Quant& quant) {
  std::vector<Code> codes;
  for (const float real : tensor.to_floats()) {
    codes.push_back(static_cast<Code>(ir::quantize_value(real, quant.scale[0], quant.zero_point[0], quant.dtype)));
  }
  return ir::Tensor::affine(ir::Tensor::of<Code>(tensor.dims(), codes), quant);
}

// Codes of a constant that an integer node reads as data, in the type of the activations.
ir::Tensor data_codes(const ir::Tensor& tensor, const ir::Quant& quant) {
  switch (quant.dtype) {
    case ir::DType::u8: return codes_as<uint8_t>(tensor, quant);
    case ir::DType::i16: return codes_as<int16_t>(tensor, quant);
    default: EDGESMITH_CHECK(quant.dtype == ir::DType::i8); return codes_as<int8_t>(tensor, quant);
  }
}

// Layers that share a weight and its codes keep sharing it; another reader keeps the old constant.
using CodesInPlace = std::map<const WeightCodes*, ir::Value*>;

void set_weight(ir::Graph& graph, ir::Node& node, const WeightCodes& codes, const Assignment& assignment,
                CodesInPlace& in_place) {
  const int operand = ops::quant_facts(node).weight_operand;
  ir::Value*& shared = in_place[&codes];
  if (shared != nullptr) return graph.set_input(node, operand, shared);
  ir::Value& value = *node.input(operand);
  const bool ours = std::all_of(value.uses().begin(), value.uses().end(), [&](const ir::Use& use) {
    const auto found = assignment.layers.find(use.node->id());
    return found != assignment.layers.end() && found->second == &codes && use.index == operand;
  });
  if (ours) {
    graph.set_tensor(value.node(), codes.weight);
    shared = &value;
  } else {
    shared = &graph.add_constant(codes.weight, "", &node);
    graph.set_input(node, operand, shared);
  }
}

// Whether the weights of an integer node of the plan were codes before.
bool has_coded_weight(const ir::Node& node, const Plan& plan) {
  if (static_cast<size_t>(node.id()) >= plan.nodes.size() || plan.of(node).role != Role::integer) return false;
  const ir::Value* weight = weight_of(node);
  return weight != nullptr && weight->constant()->encoding() == ir::Encoding::affine;
}

}  // namespace

void set_constant(ir::Graph& graph, ir::Node& node, int index, ir::Tensor tensor) {
  ir::Value* value = node.input(index);
  if (value != nullptr && is_own(*value, node)) {
    graph.set_tensor(value->node(), std::move(tensor));
    return;
  }
  graph.set_input(node, index, &graph.add_constant(std::move(tensor), "", &node));
}

double input_scale(const Assignment& assignment, const Plan& plan, const ir::Node& layer) {
  const ir::Value* operand = layer.input(0);
  int set = plan.set_index(*operand);
  if (set < 0 && operand->node().num_inputs() > 0) set = plan.set_index(*operand->node().input(0));  // behind a Pad
  EDGESMITH_CHECK(set >= 0) << layer.label();
  return assignment.scales[static_cast<size_t>(set)].scale[0];
}

std::vector<const ir::Node*> apply(const Assignment& assignment, const Plan& plan, ir::Graph& graph) {
  std::vector<ir::Node*> order;
  for (ir::Node& node : graph.nodes()) order.push_back(&node);
  const auto planned = static_cast<int>(plan.set_of.size());
  CodesInPlace in_place;
  std::vector<const ir::Node*> raised;
  for (ir::Node* node : order) {
    const auto found = assignment.layers.find(node->id());
    if (found == assignment.layers.end()) {
      if (has_coded_weight(*node, plan) && make_room_for_bias(graph, *node, input_scale(assignment, plan, *node))) {
        raised.push_back(node);
      }
      continue;
    }
    ir::Tensor bias = assignment.float_bias
                          ? corrected_bias(*node, *found->second)
                          : quantize_bias(*node, *found->second, input_scale(assignment, plan, *node));
    if (bias.valid()) set_constant(graph, *node, ops::quant_facts(*node).bias_operand, std::move(bias));
    set_weight(graph, *node, *found->second, assignment, in_place);
  }
  for (ir::Node* node : order) {
    for (int i = 0; i < node->num_outputs(); ++i) {
      ir::Value& value = node->output(i);
      if (value.id() >= planned || plan.set_index(value) < 0 || value.quant()) continue;
      const ir::Quant& quant = assignment.scales[static_cast<size_t>(plan.set_index(value))];
      if (value.constant() == nullptr) {
        value.set_quant(quant);
        continue;
      }
      const ir::Tensor codes = data_codes(*value.constant(), quant);
      ir::Value* coded = nullptr;  // one constant for all of them
      const std::vector<ir::Use> uses(value.uses().begin(), value.uses().end());
      for (const ir::Use& use : uses) {
        const std::vector<int> operands = data_operands(*use.node);
        const bool as_data = std::find(operands.begin(), operands.end(), use.index) != operands.end();
        const Role role = plan.nodes[static_cast<size_t>(use.node->id())].role;
        if (!as_data || (role != Role::integer && role != Role::moves)) continue;
        if (coded == nullptr) {
          set_constant(graph, *use.node, use.index, codes);
          coded = use.node->input(use.index);
          if (coded == &value) break;  // all its readers are this node
        } else {
          graph.set_input(*use.node, use.index, coded);
        }
      }
      if (value.unused()) graph.erase(*node);  // no copy of reals beside the codes
    }
  }
  return raised;
}

}  // namespace edgesmith::passes::quantize
