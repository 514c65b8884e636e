// SPDX-License-Identifier: Apache-2.0
// The operator table: one row of ir/ops.def, one `<name>_op::<name>_info` in src/ops/<name>.cc.
#include "edgesmith/ir/subgraphs.h"
#include "edgesmith/ops/op_info.h"
#include "ops/slices.h"
#include "ops/subgraphs.h"

namespace edgesmith::ops {

#define OP(name, onnx_name)          \
  namespace name##_op {              \
    extern const OpInfo name##_info; \
  }
#include "edgesmith/ir/ops.def"
#undef OP

const OpInfo* find_op(ir::OpKind kind) {
  switch (kind) {
    case ir::OpKind::input:
    case ir::OpKind::output:
    case ir::OpKind::constant:
    case ir::OpKind::opaque: return nullptr;
#define OP(name, onnx_name) \
  case ir::OpKind::name:    \
    return &name##_op::name##_info;
#include "edgesmith/ir/ops.def"
#undef OP
  }
  return nullptr;
}

Status verify_node(const ir::Node& node) {
  const OpInfo* op = find_op(node.op());
  if (op == nullptr) return {};
  int present = node.num_inputs();
  while (present > 0 && node.input(present - 1) == nullptr) --present;
  if (present < op->min_inputs || (op->max_inputs >= 0 && present > op->max_inputs)) {
    const std::string most = op->max_inputs < 0 ? "or more" : "to " + std::to_string(op->max_inputs);
    return invalid_error(node.label() + ": has " + std::to_string(present) + " inputs, needs " +
                         std::to_string(op->min_inputs) + " " + most);
  }
  for (int i = 0; i < op->min_inputs; ++i) {
    if (node.input(i) == nullptr) return invalid_error(node.label() + ": input " + std::to_string(i) + " is missing");
  }
  if (node.num_outputs() < op->min_outputs || (op->max_outputs >= 0 && node.num_outputs() > op->max_outputs)) {
    return invalid_error(node.label() + ": has " + std::to_string(node.num_outputs()) + " outputs");
  }
  if (op->verify == nullptr) return {};
  Status status = op->verify(node);
  return status.ok() ? status : Status(status.error().in(node.label()));
}

Cost cost_of(const ir::Node& node) {
  const OpInfo* op = find_op(node.op());
  if (op == nullptr) return {};
  if (op->cost != nullptr) return op->cost(node);
  Cost cost;
  for (int i = 0; i < node.num_outputs(); ++i) {
    int64_t elements = 1;
    if (const auto& shape = node.output(i).type().shape) {
      for (const ir::Dim& dim : *shape) elements *= dim.known() ? dim.value() : 1;
    }
    cost.flops += elements;
  }
  return cost;
}

QuantFacts quant_facts(const ir::Node& node) {
  const OpInfo* op = find_op(node.op());
  return op == nullptr || op->quant == nullptr ? QuantFacts{} : op->quant(node);
}

std::optional<ChannelRelation> channel_relation(const ir::Node& node, int axis) {
  const OpInfo* op = find_op(node.op());
  if (op == nullptr || op->channels == nullptr) return std::nullopt;
  auto relation = op->channels(node, axis);
  for (size_t i = 0; relation && i < relation->links.size(); ++i) {
    SliceLink& link = relation->links[i];
    if (link.count == 0) link.count = size_along(*node.input(link.operand), link.axis).value_or(0);
  }
  return relation;
}

const ir::Node* find_unknown(const ir::Node& node) {
  if (!node.is(ir::OpKind::opaque)) return nullptr;
  if (node.subgraphs == nullptr) return &node;
  for (const ir::Graph& graph : node.subgraphs->graphs) {
    for (const ir::Node& inner : graph.nodes()) {
      if (const ir::Node* unknown = find_unknown(inner)) return unknown;
    }
  }
  return nullptr;
}

Result<std::vector<ir::Tensor>> eval_node(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  if (node.subgraphs != nullptr) {
    PlainBodies bodies;
    auto outputs = eval_subgraphs(node, inputs, bodies);
    return outputs ? std::move(outputs) : outputs.error().in(node.label());
  }
  const OpInfo* op = find_op(node.op());
  if (op == nullptr) {
    return unsupported_error(node.label() + ": cannot be run", "it is an operator that edgesmith does not know");
  }
  auto outputs = op->eval(node, inputs);
  if (!outputs) return outputs.error().in(node.label());
  return outputs;
}

}  // namespace edgesmith::ops
