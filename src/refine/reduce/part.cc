// SPDX-License-Identifier: Apache-2.0
#include "refine/reduce/part.h"

#include <algorithm>

#include "edgesmith/ir/structural.h"
#include "edgesmith/onnx/import.h"

namespace edgesmith::refine {
namespace {

using ir::OpKind;

void copy_value(const ir::Value& from, ir::Value& to) {
  to.set_name(from.name());
  to.set_type(from.type());
  to.set_quant(from.quant());
  to.foreign = from.foreign;
}

/// Builds the part. `values_` maps value ids of the whole graph.
class PartBuilder {
 public:
  explicit PartBuilder(const ir::Graph& whole) : values_(static_cast<size_t>(whole.num_value_ids()), nullptr) {
    part_.name = whole.name;
    part_.doc = whole.doc;
    part_.metadata = whole.metadata;
    part_.foreign = onnx::foreign_of_part(whole);
  }

  bool add(const ir::Node& node) {
    std::vector<ir::Value*> operands;
    for (int i = 0; i < node.num_inputs(); ++i) {
      const ir::Value* read = node.input(i);
      if (read != nullptr && at(*read) == nullptr && !bring(*read)) return false;
      operands.push_back(read != nullptr ? at(*read) : nullptr);
    }
    ir::Node& twin = part_.append(node.op(), operands, node.num_outputs());
    twin.set_name(node.name());
    twin.attributes() = node.attributes();
    twin.doc = node.doc;
    twin.foreign = node.foreign;
    twin.opaque_op = node.opaque_op;
    for (int i = 0; i < node.num_outputs(); ++i) {
      copy_value(node.output(i), twin.output(i));
      at(node.output(i)) = &twin.output(i);
    }
    return true;
  }

  bool add_result(const PartResult& result) {
    if (at(*result.value) == nullptr) return false;
    part_.add_output(result.name, *at(*result.value));
    part_.declared_outputs.back() = result.declared;
    return true;
  }

  ir::Graph take() { return std::move(part_); }

 private:
  ir::Value*& at(const ir::Value& value) { return values_[static_cast<size_t>(value.id())]; }

  /// A constant comes along, everything else becomes an input.
  bool bring(const ir::Value& value) {
    if (value.constant() != nullptr) {
      ir::Value& constant = part_.add_constant(value.node().tensor(), value.name());
      constant.node().foreign = value.node().foreign;
      constant.foreign = value.foreign;
      at(value) = &constant;
      return true;
    }
    if (value.type().dtype == ir::DType::undefined) return false;
    std::string name = value.name();
    if (name.empty()) name = "value" + std::to_string(value.id());
    ir::Value& input = part_.add_input(std::move(name), value.type());
    input.set_quant(value.quant());
    if (value.is_graph_input()) input.foreign = value.foreign;
    at(value) = &input;
    return true;
  }

  ir::Graph part_;
  std::vector<ir::Value*> values_;
};

}  // namespace

std::vector<PartResult> results_of(const ir::Graph& graph) {
  std::vector<PartResult> results;
  for (int i = 0; i < graph.num_outputs(); ++i) {
    const auto at = static_cast<size_t>(i);
    results.push_back({graph.output_names()[at], graph.output_node().input(i), graph.declared_outputs[at]});
  }
  return results;
}

std::vector<const ir::Node*> operators_of(const ir::Graph& graph) {
  std::vector<const ir::Node*> operators;
  for (const ir::Node& node : graph.nodes()) {
    if (!ir::is_structural(node)) operators.push_back(&node);
  }
  return operators;
}

std::optional<ir::Graph> part_of(const ir::Graph& graph, const std::vector<bool>& keep,
                                 const std::vector<PartResult>& results) {
  const std::vector<const ir::Node*> operators = operators_of(graph);
  std::vector<bool> needed(static_cast<size_t>(graph.num_node_ids()), false);
  const auto id = [](const ir::Node& node) { return static_cast<size_t>(node.id()); };
  for (const PartResult& result : results) needed[id(result.value->node())] = true;
  for (auto node = operators.rbegin(); node != operators.rend(); ++node) {
    if (!needed[id(**node)] || !keep[id(**node)]) continue;
    for (int i = 0; i < (*node)->num_inputs(); ++i) {
      if ((*node)->input(i) != nullptr) needed[id((*node)->input(i)->node())] = true;
    }
  }
  PartBuilder builder(graph);
  for (const ir::Node* node : operators) {
    if (needed[id(*node)] && keep[id(*node)] && !builder.add(*node)) return std::nullopt;
  }
  for (const PartResult& result : results) {
    if (!builder.add_result(result)) return std::nullopt;
  }
  return builder.take();
}

std::optional<ir::Graph> live_part(const ir::Graph& graph) {
  return part_of(graph, std::vector<bool>(static_cast<size_t>(graph.num_node_ids()), true), results_of(graph));
}

}  // namespace edgesmith::refine
