// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/ir/subgraphs.h"

namespace edgesmith::ir {
namespace {

/// The twin of a node of another graph, before `position`; `twins` maps values by their ids.
void copy_node(Graph& graph, Node& position, const Node& node, std::vector<Value*>& twins) {
  const auto twin_of = [&](const Value* value) {
    return value != nullptr ? twins[static_cast<size_t>(value->id())] : nullptr;
  };
  Node* twin = nullptr;
  if (node.is(OpKind::constant)) {
    twin = &graph.add_constant(node.tensor(), {}, &position).node();
  } else {
    std::vector<Value*> inputs;
    for (int i = 0; i < node.num_inputs(); ++i) inputs.push_back(twin_of(node.input(i)));
    twin = &graph.insert_before(position, node.op(), inputs, node.num_outputs());
    twin->attributes() = node.attributes();
    twin->opaque_op = node.opaque_op;
    twin->subgraphs = node.subgraphs;
  }
  twin->set_name(node.name());
  twin->doc = node.doc;
  twin->foreign = node.foreign;
  for (int i = 0; i < node.num_outputs(); ++i) {
    const Value& from = node.output(i);
    Value& to = twin->output(i);
    to.set_name(from.name());
    to.foreign = from.foreign;
    if (!node.is(OpKind::constant)) {
      to.set_type(from.type());
      to.set_quant(from.quant());
    }
    twins[static_cast<size_t>(from.id())] = &to;
  }
}

/// Readers of `output` read `result`, with the name and the annotation that people know it by.
void take_over(Graph& graph, Node& node, Value& output, Value& result, bool made_here) {
  // An annotation belongs to this output alone; a value from elsewhere keeps what its readers see.
  if (output.quant()) {
    Value& copy = graph.insert_before(node, OpKind::identity, {&result}).output();
    copy.set_name(output.name());
    copy.set_type(output.type());
    copy.set_quant(output.quant());
    graph.replace_all_uses(output, copy);
    return;
  }
  if (made_here && !output.name().empty()) result.set_name(output.name());
  if (const auto type = merge(result.type(), output.type()); type && made_here) result.set_type(*type);
  graph.replace_all_uses(output, result);
}

/// The operand that result `index` of the body is, as an index; -1 when a node makes it.
int operand_of(const Graph& body, int index) {
  const Value& result = *body.output_node().input(index);
  if (!result.is_graph_input()) return -1;
  const std::vector<Value*> inputs = body.inputs();
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i] == &result) return static_cast<int>(i);
  }
  return -1;
}

/// True when every output of the node is a result of the body, and none is an absent operand.
bool has_results(const Node& node, const Graph& body, std::span<Value* const> operands) {
  for (int i = 0; i < node.num_outputs(); ++i) {
    if (node.output(i).unused()) continue;
    if (i >= body.num_outputs()) return false;
    const int operand = operand_of(body, i);
    const auto at = static_cast<size_t>(operand);
    if (operand >= 0 && (at >= operands.size() || operands[at] == nullptr)) return false;
  }
  return true;
}

}  // namespace

bool inline_graph(Graph& graph, Node& node, const Graph& body, std::span<Value* const> operands) {
  if (!has_results(node, body, operands)) return false;
  std::vector<Value*> twins(static_cast<size_t>(body.num_value_ids()), nullptr);
  size_t next = 0;
  for (const Node& inner : body.nodes()) {
    if (inner.is(OpKind::input)) {
      twins[static_cast<size_t>(inner.output().id())] = next < operands.size() ? operands[next] : nullptr;
      ++next;
    } else if (!inner.is(OpKind::output)) {
      copy_node(graph, node, inner, twins);
    }
  }
  const Node& results = body.output_node();
  for (int i = 0; i < node.num_outputs() && i < results.num_inputs(); ++i) {
    const Value& result = *results.input(i);
    const bool made_here = !result.is_graph_input() && result.constant() == nullptr;
    if (!node.output(i).unused()) {
      take_over(graph, node, node.output(i), *twins[static_cast<size_t>(result.id())], made_here);
    }
  }
  graph.erase(node);
  return true;
}

}  // namespace edgesmith::ir
