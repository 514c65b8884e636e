// SPDX-License-Identifier: Apache-2.0
#include "onnx/import_subgraphs.h"

#include <algorithm>

#include "edgesmith/ops/op_info.h"
#include "onnx/compound.h"
#include "onnx/forms.h"
#include "onnx/functions.h"
#include "onnx/import_node.h"
#include "onnx/subgraph.h"

namespace edgesmith::onnx {
namespace {

using Kind = ir::Subgraphs::Kind;
using Read = Result<std::shared_ptr<const ir::Subgraphs>>;

/// Puts the attributes of a call where the nodes of a function refer to them. What the call leaves out is absent.
void put_call_attributes(std::vector<NodeView>& nodes, const CallAttributes& call) {
  for (NodeView& node : nodes) {
    std::vector<AttributeView> attributes;
    for (const AttributeView& attribute : node.attributes) {
      if (attribute.reference.empty()) {
        attributes.push_back(attribute);
        continue;
      }
      const auto found = call.find(attribute.reference);
      if (found == call.end()) continue;
      attributes.push_back({attribute.name, found->second.type, {}, found->second.message});
    }
    node.attributes = std::move(attributes);
  }
}

/// The source of a graph inside of another one. Errors: too deep, too many nodes.
Result<ImportSource> source_inside(const ImportSource& source, size_t num_nodes) {
  ImportSource inside = source;
  inside.forced_opaque.clear();
  inside.learnt.clear();
  if (++inside.depth > kMaxDepth) {
    return unsupported_error("subgraphs and functions are nested more than " + std::to_string(kMaxDepth) + " deep");
  }
  *inside.inner_nodes_left -= static_cast<int64_t>(num_nodes);
  if (*inside.inner_nodes_left < 0) return unsupported_error("its functions call each other too often");
  return inside;
}

/// Builds a graph of `view`. Its nodes must be right as far as they can be told without types.
Result<ir::Graph> build_inside(GraphView view, const ImportSource& source, const Surroundings& around) {
  if (source.call != nullptr) put_call_attributes(view.nodes, *source.call);
  auto built = build_graph(view, source, around);
  if (!built) return built.error();
  for (const ir::Node& node : built->graph.nodes()) EDGESMITH_TRY(ops::verify_node(node));
  return std::move(built->graph);
}

/// True when an attribute of the node, or of one inside of it, is one of the call.
bool has_reference(const NodeView& node) {
  bool found = false;
  const auto look = [&](const NodeView& inner) {
    for (const AttributeView& attribute : inner.attributes) found = found || !attribute.reference.empty();
  };
  look(node);
  for_each_inner_node(node, look);
  return found;
}

// --- control flow ---

/// The graph in attribute `name`.
Result<GraphView> graph_of(const NodeView& node, std::string_view name) {
  for (const AttributeView& attribute : node.attributes) {
    if (attribute.name != name || attribute.type != AttributeType::graph) continue;
    NodeView one;
    one.attributes = {attribute};
    auto graphs = subgraphs(one);
    if (!graphs) return graphs.error();
    if (graphs->size() == 1) return std::move(graphs->front());
  }
  return invalid_error("attribute '" + std::string(name) + "' with a graph is missing");
}

Status add_graph(const NodeView& node, std::string_view name, const ImportSource& source, const Surroundings& around,
                 ir::Subgraphs& out) {
  auto view = graph_of(node, name);
  if (!view) return view.error();
  const auto inside = source_inside(source, view->nodes.size());
  if (!inside) return inside.error();
  auto graph = build_inside(*std::move(view), *inside, around);
  if (!graph) return graph.error();
  out.graphs.push_back(*std::move(graph));
  return {};
}

/// Checks the numbers of a body's inputs and results.
Status check_body(const ir::Subgraphs& subgraphs, const Surroundings& around, size_t inputs, size_t least_results) {
  const ir::Graph& body = subgraphs.graphs.front();
  const size_t own = body.inputs().size() - around.captured.size();
  if (own != inputs) {
    return invalid_error("its body has " + std::to_string(own) + " inputs, must have " + std::to_string(inputs));
  }
  if (static_cast<size_t>(body.num_outputs()) >= least_results) return {};
  return invalid_error("its body has " + std::to_string(body.num_outputs()) + " results, must have " +
                       std::to_string(least_results) + " or more");
}

Status read_if(const NodeView& node, const ImportSource& source, const Surroundings& around, ir::Subgraphs& out) {
  out.kind = Kind::branches;
  EDGESMITH_TRY(add_graph(node, "then_branch", source, around, out));
  EDGESMITH_TRY(add_graph(node, "else_branch", source, around, out));
  for (const ir::Graph& graph : out.graphs) {
    if (static_cast<size_t>(graph.num_outputs()) == node.outputs.size() &&
        graph.inputs().size() == around.captured.size()) {
      continue;
    }
    return invalid_error("a branch has " + std::to_string(graph.num_outputs()) + " results, must have " +
                         std::to_string(node.outputs.size()));
  }
  return {};
}

Status read_loop(const NodeView& node, const ImportSource& source, const Surroundings& around, ir::Subgraphs& out) {
  out.kind = Kind::loop;
  if (node.inputs.size() < 2) return invalid_error("it has less than 2 inputs");
  EDGESMITH_TRY(add_graph(node, "body", source, around, out));
  return check_body(out, around, node.inputs.size(), node.inputs.size() - 1);
}

Status read_scan(const NodeView& node, const ImportSource& source, const Surroundings& around, ir::Subgraphs& out) {
  out.kind = Kind::scan;
  out.batched = source.opset < 9;
  NodeView plain = node;
  std::erase_if(plain.attributes, [](const AttributeView& a) { return a.name == "body"; });
  const FormRow row{"Scan", 9,
                    "directions:I num_scan_inputs:i scan_input_axes:I scan_input_directions:I scan_output_axes:I "
                    "scan_output_directions:I"};
  const auto attributes = decode_attributes(plain, row, source);
  if (!attributes) return attributes.error();
  const int64_t scanned = attributes->get_int("num_scan_inputs", 0);
  if (scanned < 1 || scanned > static_cast<int64_t>(node.inputs.size())) {
    return invalid_error("num_scan_inputs is " + std::to_string(scanned) + " for " +
                         std::to_string(node.inputs.size()) + " inputs");
  }
  out.num_scanned = static_cast<int>(scanned);
  out.input_axes = attributes->get_ints("scan_input_axes");
  out.input_backward = attributes->get_ints(out.batched ? "directions" : "scan_input_directions");
  out.output_axes = attributes->get_ints("scan_output_axes");
  out.output_backward = attributes->get_ints("scan_output_directions");
  EDGESMITH_TRY(add_graph(node, "body", source, around, out));
  const size_t operands = node.inputs.size() - (out.batched ? 1 : 0);
  if (static_cast<size_t>(scanned) > operands) return invalid_error("num_scan_inputs is more than there are");
  return check_body(out, around, operands, operands - static_cast<size_t>(scanned));
}

// --- functions ---

int64_t version_of(const std::vector<OpsetImport>& opsets, std::string_view domain) {
  for (const OpsetImport& import : opsets) {
    if (canonical_domain(import.domain) == domain) return import.version;
  }
  return 0;
}

/// True when the nodes of a function mean the same in the model: those that stay opaque must neither refer to the call
/// nor be of an opset that the model does not import.
bool is_movable(const ir::Graph& graph, const FunctionBody& body, const ImportSource& source) {
  for (const ir::Node& node : graph.nodes()) {
    if (!node.is(ir::OpKind::opaque)) continue;
    if (node.subgraphs != nullptr && node.subgraphs->local) {
      if (!node.subgraphs->movable) return false;
      continue;
    }
    const auto view = parse_node(foreign_as<OpaqueForeign>(node.foreign)->message);
    if (!view || has_reference(*view)) return false;
    const size_t colons = node.opaque_op.rfind("::");
    const std::string domain = colons == node.opaque_op.npos ? "" : node.opaque_op.substr(0, colons);
    const int64_t here = version_of(body.opsets, domain);
    if (here == 0 || here != version_of(source.model.opsets, domain)) return false;
  }
  return true;
}

Read read_function(const FunctionView& function, const NodeView& node, const ImportSource& source) {
  auto body = parse_function_body(function.message);
  if (!body) return body.error();
  if (node.inputs.size() > body->graph.inputs.size() || node.outputs.size() > body->graph.outputs.size()) {
    return invalid_error("the function has " + std::to_string(body->graph.inputs.size()) + " inputs and " +
                         std::to_string(body->graph.outputs.size()) + " outputs, the call " +
                         std::to_string(node.inputs.size()) + " and " + std::to_string(node.outputs.size()));
  }
  CallAttributes call;
  for (const AttributeView& attribute : body->defaults) call[attribute.name] = attribute;
  for (const AttributeView& attribute : node.attributes) call[attribute.name] = attribute;
  auto inside = source_inside(source, body->graph.nodes.size());
  if (!inside) return inside.error();
  inside->call = &call;
  inside->opset = version_of(body->opsets, "");
  Surroundings around;
  for (size_t i = 0; i < body->graph.inputs.size(); ++i) {
    if (i >= node.inputs.size() || node.inputs[i].empty()) around.absent.insert(body->graph.inputs[i].name);
  }
  auto graph = build_inside(body->graph, *inside, around);
  if (!graph) return graph.error();
  auto out = std::make_shared<ir::Subgraphs>();
  out->num_inputs = static_cast<int>(node.inputs.size());
  out->local = true;
  out->movable = is_movable(*graph, *body, source);
  out->graphs.push_back(*std::move(graph));
  return std::shared_ptr<const ir::Subgraphs>(std::move(out));
}

// --- compound operators ---

Read read_compound(const CompoundRow& row, const NodeView& node, const std::vector<ir::Type>& types,
                   const ImportSource& source) {
  auto attributes = decode_attributes(node, FormRow{row.op, 1, row.attributes}, source);
  if (!attributes) return attributes.error();
  return spell_out(row, *std::move(attributes), node.inputs, types, node.outputs);
}

}  // namespace

Result<std::shared_ptr<const ir::Subgraphs>> read_subgraphs(const NodeView& node, const std::vector<ir::Type>& types,
                                                            const std::vector<std::string>& captured,
                                                            const ImportSource& source) {
  if (const FunctionView* function = find_function(source.model, node)) return read_function(*function, node, source);
  if (const CompoundRow* row = find_compound(node)) return read_compound(*row, node, types, source);
  if (!node.domain.empty()) return unsupported_error("its domain is not known");
  auto out = std::make_shared<ir::Subgraphs>();
  out->num_inputs = static_cast<int>(node.inputs.size());
  Surroundings around;
  around.captured = captured;
  around.types.assign(types.begin() + static_cast<std::ptrdiff_t>(node.inputs.size()), types.end());
  Status status = unsupported_error("its operator is not known");
  if (node.op_type == "If") status = read_if(node, source, around, *out);
  if (node.op_type == "Loop") status = read_loop(node, source, around, *out);
  if (node.op_type == "Scan") status = read_scan(node, source, around, *out);
  if (!status.ok()) return status.error();
  return std::shared_ptr<const ir::Subgraphs>(std::move(out));
}

}  // namespace edgesmith::onnx
