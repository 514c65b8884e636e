// SPDX-License-Identifier: Apache-2.0
#include "onnx/functions.h"

#include <map>

#include "onnx/subgraph.h"

namespace edgesmith::onnx {
namespace {

std::string key_of(std::string_view domain, std::string_view name, std::string_view overload) {
  std::string key = std::string(canonical_domain(domain)) + "::" + std::string(name);
  return overload.empty() ? key : key + ":" + std::string(overload);
}

}  // namespace

const FunctionView* find_function(const ModelView& model, const NodeView& node) {
  for (const FunctionView& function : model.functions) {
    if (function.name == node.op_type && function.domain == node.domain && function.overload == node.overload) {
      return &function;
    }
  }
  return nullptr;
}

std::set<std::string> called_functions(const std::vector<FunctionView>& functions, const std::vector<NodeView>& nodes) {
  std::set<std::string> called;
  if (functions.empty()) return called;
  std::map<std::string, const FunctionView*> by_key;
  for (const FunctionView& function : functions) {
    by_key.emplace(key_of(function.domain, function.name, function.overload), &function);
  }
  std::vector<const FunctionView*> waiting;
  const auto look = [&](const NodeView& node) {
    const auto found = by_key.find(key_of(node.domain, node.op_type, node.overload));
    if (found != by_key.end() && called.insert(found->first).second) waiting.push_back(found->second);
  };
  const auto look_at_all = [&](const std::vector<NodeView>& list) {
    for (const NodeView& node : list) {
      look(node);
      for_each_inner_node(node, look);
    }
  };
  look_at_all(nodes);
  while (!waiting.empty()) {
    const FunctionView& function = *waiting.back();
    waiting.pop_back();
    if (const auto body = parse_function_body(function.message); body.ok()) look_at_all(body->graph.nodes);
  }
  return called;
}

std::string without_dropped_functions(const std::string& model_extra, const std::set<std::string>& called,
                                      const std::vector<NodeView>& nodes) {
  if (called.empty()) return model_extra;
  std::vector<FunctionView> functions;
  wire::Field field;
  for (wire::Reader reader({wire::as_bytes(model_extra), nullptr}); reader.next(field);) {
    if (!field.is(model_field::functions, wire::WireType::bytes)) continue;
    if (auto function = parse_function(field.message()); function.ok()) functions.push_back(*function);
  }
  const std::set<std::string> still = called_functions(functions, nodes);
  std::string kept;
  for (wire::Reader reader({wire::as_bytes(model_extra), nullptr}); reader.next(field);) {
    if (field.is(model_field::functions, wire::WireType::bytes)) {
      const auto function = parse_function(field.message());
      const std::string key =
          function.ok() ? key_of(function->domain, function->name, function->overload) : std::string();
      if (called.count(key) != 0 && still.count(key) == 0) continue;
    }
    kept.append(wire::as_text(field.whole));
  }
  return kept;
}

}  // namespace edgesmith::onnx
