// SPDX-License-Identifier: Apache-2.0
#include "onnx/export_body.h"

#include "onnx/encode.h"
#include "onnx/export_graph.h"
#include "onnx/foreign.h"
#include "onnx/tensor_io.h"

namespace edgesmith::onnx {
namespace {

using wire::Writer;

// A ValueInfoProto; without a type where none is known: runtimes refuse one that says "undefined".
Writer typed_name(const std::string& name, const ir::Type& type) {
  if (type.dtype != ir::DType::undefined) return encode_value_info(name, type);
  Writer out;
  out.text(1, name);
  return out;
}

// The source's ValueInfoProto as long as it says the same; else a new one.
Writer value_info_of(const ir::Value& value, const std::string& name, const ir::Type& type) {
  const auto* foreign = foreign_as<ValueForeign>(value.foreign);
  if (foreign == nullptr || name != value.name() || !(foreign->declared.type == type)) {
    return typed_name(name, type);
  }
  Writer out;
  out.encoded(wire::as_bytes(foreign->declared.encoded));
  return out;
}

void put_constant(Writer& out, const Initializer& initializer) {
  if (initializer.as_node) {
    LoweredNode node;
    node.op = "Constant";
    node.outputs = {initializer.name};
    node.attributes.set("value", initializer.tensor.dense());
    out.message(graph_field::node, encode_node(node));
    return;
  }
  out.message(graph_field::initializer, encode_tensor(initializer.tensor.dense(), initializer.name, initializer.extra));
}

}  // namespace

std::string encode_body(const ir::Graph& body, std::span<const std::string> captured, ExportNames& around,
                        int64_t opset, bool constants_as_nodes) {
  ExportNames names(body, captured, around);
  const LoweredGraph lowered = lower_graph(body, names, opset, constants_as_nodes);
  Writer out;
  for (const Initializer& initializer : lowered.initializers) put_constant(out, initializer);
  for (const LoweredNode& node : lowered.nodes) out.message(graph_field::node, encode_node(node));
  out.text(graph_field::name, body.name.empty() ? "body" : body.name);
  out.optional_text(graph_field::doc_string, body.doc);
  const std::vector<ir::Value*> formals = body.inputs();
  for (size_t i = 0; i + captured.size() < formals.size(); ++i) {
    out.message(graph_field::input, value_info_of(*formals[i], names.written(*formals[i]), formals[i]->type()));
  }
  for (int i = 0; i < body.num_outputs(); ++i) {
    const ir::Type& declared = body.declared_outputs[static_cast<size_t>(i)];
    const bool says_something = declared.dtype != ir::DType::undefined;
    out.message(graph_field::output,
                typed_name(names.result(i), says_something ? declared : body.output_node().input(i)->type()));
  }
  // What nobody can infer.
  for (const ir::Node& node : body.nodes()) {
    if (!node.is(ir::OpKind::opaque) || node.subgraphs != nullptr) continue;
    for (int i = 0; i < node.num_outputs(); ++i) {
      const ir::Value& value = node.output(i);
      if (value.type().dtype == ir::DType::undefined || value.is_graph_output() || value.unused()) continue;
      out.message(graph_field::value_info, value_info_of(value, names.written(value), value.type()));
    }
  }
  return out.str();
}

}  // namespace edgesmith::onnx
