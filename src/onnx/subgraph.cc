// SPDX-License-Identifier: Apache-2.0
#include "onnx/subgraph.h"

#include <algorithm>
#include <optional>

namespace edgesmith::onnx {
namespace {

using wire::Field;
using wire::Reader;
using wire::WireType;
using Names = std::set<std::string>;
using Renames = std::map<std::string, std::string>;

bool is_graph_field(const Field& field) {
  return field.type == WireType::bytes &&
         (field.number == attribute_field::g || field.number == attribute_field::graphs);
}

/// Everything that `graph` itself defines.
Names defined_names(const GraphView& graph) {
  Names names;
  for (const ValueInfoView& input : graph.inputs) names.emplace(input.name);
  for (const TensorView& tensor : graph.initializers) names.emplace(tensor.name);
  for (const SparseTensorView& tensor : graph.sparse_initializers) names.emplace(tensor.values.name);
  for (const NodeView& node : graph.nodes) {
    for (std::string_view output : node.outputs) names.emplace(output);
  }
  return names;
}

Status collect_captured(const NodeView& node, const Names& hidden, int depth, std::vector<std::string>& out) {
  if (depth > kMaxDepth) return invalid_error("subgraphs are nested more than " + std::to_string(kMaxDepth) + " deep");
  const auto graphs = subgraphs(node);
  if (!graphs) return graphs.error();
  const auto read = [&](std::string_view name, const Names& inner) {
    const std::string key(name);
    if (name.empty() || inner.count(key) != 0 || std::find(out.begin(), out.end(), key) != out.end()) return;
    out.push_back(key);
  };
  for (const GraphView& graph : *graphs) {
    Names inner = defined_names(graph);
    inner.insert(hidden.begin(), hidden.end());
    for (const NodeView& child : graph.nodes) {
      for (std::string_view input : child.inputs) read(input, inner);
      EDGESMITH_TRY(collect_captured(child, inner, depth + 1, out));
    }
    for (const ValueInfoView& output : graph.outputs) read(output.name, inner);
  }
  return {};
}

using Replacement = std::optional<std::string>;

/// The message with another payload of the fields where `replaced` gives one.
template <typename Replaced>
std::string with_replaced(const wire::Message& message, Replaced replaced) {
  wire::Writer out;
  Reader reader(message);
  Field field;
  while (reader.next(field)) {
    if (const Replacement other = replaced(field)) {
      out.text(field.number, *other);
    } else {
      out.encoded(field.whole);
    }
  }
  return out.str();
}

/// The NodeProto with other operands and results, and other attributes where `replaced` gives some.
template <typename Replaced>
std::string with_operands(const wire::Message& message, const std::vector<std::string>& inputs,
                          const std::vector<std::string>& outputs, Replaced replaced) {
  wire::Writer out;
  for (const std::string& input : inputs) out.text(node_field::input, input);
  for (const std::string& output : outputs) out.text(node_field::output, output);
  Reader reader(message);
  Field field;
  while (reader.next(field)) {
    if (field.number == node_field::input || field.number == node_field::output) continue;
    const bool attribute = field.is(node_field::attribute, WireType::bytes);
    if (const Replacement other = attribute ? replaced(field) : Replacement()) {
      out.text(field.number, *other);
    } else {
      out.encoded(field.whole);
    }
  }
  return out.str();
}

std::string renamed_name(std::string_view name, const Renames& renames) {
  const auto found = renames.find(std::string(name));
  return found == renames.end() ? std::string(name) : found->second;
}

std::string rename_graph(const wire::Message& message, Renames renames);

std::string rename_attribute(const wire::Message& message, const Renames& renames) {
  return with_replaced(message, [&](const Field& field) -> Replacement {
    if (!is_graph_field(field)) return {};
    return rename_graph(field.message(), renames);
  });
}

std::string rename_inner_node(const wire::Message& message, const Renames& renames) {
  return with_replaced(message, [&](const Field& field) -> Replacement {
    if (field.is(node_field::input, WireType::bytes)) return renamed_name(field.text(), renames);
    if (field.is(node_field::attribute, WireType::bytes)) return rename_attribute(field.message(), renames);
    return {};
  });
}

std::string rename_output(const wire::Message& message, const Renames& renames) {
  return with_replaced(message, [&](const Field& field) -> Replacement {
    if (!field.is(1, WireType::bytes)) return {};
    return renamed_name(field.text(), renames);
  });
}

std::string rename_graph(const wire::Message& message, Renames renames) {
  if (const auto graph = parse_graph(message); graph.ok()) {
    for (const std::string& name : defined_names(*graph)) renames.erase(name);
  }
  return with_replaced(message, [&](const Field& field) -> Replacement {
    if (field.is(graph_field::node, WireType::bytes)) return rename_inner_node(field.message(), renames);
    if (field.is(graph_field::output, WireType::bytes)) return rename_output(field.message(), renames);
    return {};
  });
}

std::string attribute_name(const wire::Message& message) {
  Reader reader(message);
  Field field;
  while (reader.next(field)) {
    if (field.is(attribute_field::name, WireType::bytes)) return std::string(field.text());
  }
  return {};
}

// The AttributeProto with another graph.
std::string with_graph(const wire::Message& message, const std::string& graph) {
  return with_replaced(message,
                       [&](const Field& field) { return is_graph_field(field) ? Replacement(graph) : Replacement(); });
}

}  // namespace

Result<std::vector<GraphView>> subgraphs(const NodeView& node) {
  std::vector<GraphView> graphs;
  for (const AttributeView& attribute : node.attributes) {
    if (attribute.type != AttributeType::graph && attribute.type != AttributeType::graphs) continue;
    Reader reader(attribute.message);
    Field field;
    while (reader.next(field)) {
      if (!is_graph_field(field)) continue;
      auto graph = parse_graph(field.message());
      if (!graph) return graph.error();
      graphs.push_back(*std::move(graph));
    }
  }
  return graphs;
}

Result<std::vector<std::string>> captured_names(const NodeView& node) {
  std::vector<std::string> names;
  EDGESMITH_TRY(collect_captured(node, {}, 0, names));
  return names;
}

void collect_inner_names(const NodeView& node, std::set<std::string>& names) {
  const auto graphs = subgraphs(node);
  if (!graphs) return;
  for (const GraphView& graph : *graphs) {
    names.merge(defined_names(graph));
    for (const NodeView& inner : graph.nodes) collect_inner_names(inner, names);
  }
}

std::string with_graphs(const wire::Message& message, const std::vector<std::string>& inputs,
                        const std::vector<std::string>& outputs, const std::map<std::string, std::string>& graphs) {
  return with_operands(message, inputs, outputs, [&](const Field& field) -> Replacement {
    const auto graph = graphs.find(attribute_name(field.message()));
    if (graph == graphs.end()) return {};
    return with_graph(field.message(), graph->second);
  });
}

std::string rename_node(const wire::Message& message, const std::vector<std::string>& inputs,
                        const std::vector<std::string>& outputs, const Renames& renamed) {
  return with_operands(message, inputs, outputs,
                       [&](const Field& field) -> Replacement { return rename_attribute(field.message(), renamed); });
}

}  // namespace edgesmith::onnx
