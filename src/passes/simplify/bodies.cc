// SPDX-License-Identifier: Apache-2.0
// Simplifies inside of If, Loop and Scan.
//
//   %y = If(%c) { then: add(%x, mul(2, 3)), else: identity(%x) }   =>   %y = If(%c) { then: add(%x, 6), else: %x }
//
// A small constant outside is one inside while the body is simplified, and an outer value again where that was of no
// use. What goes wrong inside leaves the node as it is: a branch that is never taken may well be nonsense.
#include "passes/simplify/bodies.h"

#include <algorithm>

#include "edgesmith/base/log.h"
#include "edgesmith/ir/structural.h"
#include "edgesmith/ir/subgraphs.h"

namespace edgesmith::passes {
namespace {

using Kind = ir::Subgraphs::Kind;

// Constants of more bytes stay outside: a body that has its own copy makes the file larger.
constexpr int64_t kMostConstantBytes = 4096;

bool has_bodies(const ir::Node& node) { return node.subgraphs != nullptr && node.subgraphs->kind != Kind::function; }

// Codes must not become floats: what is quantized inside of a body has no annotations that say so.
bool is_quantized(const ir::Graph& body) {
  for (const ir::Node& node : body.nodes()) {
    if (node.is(ir::OpKind::dequantize_linear) || node.is(ir::OpKind::quantize_linear)) return true;
  }
  return false;
}

// A constant that stands for an outer value inside of a body.
struct Lent {
  ir::Value* formal;
  ir::Node* constant;
  ir::Tensor tensor;
};

class Body {
 public:
  // `captured`: the operands behind the node's own, which the last inputs of the body stand for.
  Body(ir::Graph& graph, const std::vector<ir::Value*>& captured) : graph_(graph), formals_(graph.inputs()) {
    const size_t own = formals_.size() - captured.size();
    for (size_t i = 0; i < formals_.size(); ++i) {
      declared_.push_back(formals_[i]->type());
      // Nothing of what a body declares is sure but the element type: shapes there are those of one example.
      ir::Type type;
      if (i >= own && captured[i - own] != nullptr) type = captured[i - own]->type();
      if (type.dtype == ir::DType::undefined) type.dtype = formals_[i]->type().dtype;
      formals_[i]->set_type(std::move(type));
      if (i >= own && captured[i - own] != nullptr) lend(*formals_[i], *captured[i - own]);
    }
  }

  // Undoes what the constructor did, where it was of no use.
  void give_back() {
    for (Lent& lent : lent_) {
      if (lent.constant->erased()) continue;
      ir::Value& value = lent.constant->output();
      const ir::Tensor& now = lent.constant->tensor();
      const bool same = now.encoding() == ir::Encoding::dense && now.bytes().data() == lent.tensor.bytes().data() &&
                        now.type() == lent.tensor.type() && !value.quant();
      if (!same) continue;
      if (!value.unused()) graph_.replace_all_uses(value, *lent.formal);
      graph_.erase(*lent.constant);
    }
    for (size_t i = 0; i < formals_.size(); ++i) formals_[i]->set_type(declared_[i]);
  }

 private:
  void lend(ir::Value& formal, const ir::Value& outer) {
    const ir::Tensor* tensor = is_plain(outer) ? outer.constant() : nullptr;
    if (tensor == nullptr || formal.unused() || tensor->encoding() != ir::Encoding::dense ||
        tensor->stored_bytes() > kMostConstantBytes) {
      return;
    }
    ir::Value& constant = graph_.add_constant(*tensor);
    graph_.replace_all_uses(formal, constant);
    lent_.push_back({&formal, &constant.node(), *tensor});
  }

  ir::Graph& graph_;
  std::vector<ir::Value*> formals_;
  std::vector<ir::Type> declared_;
  std::vector<Lent> lent_;
};

std::vector<ir::Value*> captured_by(const ir::Node& node) {
  std::vector<ir::Value*> captured;
  for (int i = node.subgraphs->num_inputs; i < node.num_inputs(); ++i) captured.push_back(node.input(i));
  return captured;
}

// Captured value `index` is read by none of the bodies.
bool is_idle(const ir::Subgraphs& subgraphs, size_t index, size_t num_captured) {
  return std::all_of(subgraphs.graphs.begin(), subgraphs.graphs.end(), [&](const ir::Graph& body) {
    const std::vector<ir::Value*> formals = body.inputs();
    return formals[formals.size() - num_captured + index]->unused();
  });
}

// Drops the outer values that nothing inside reads. Returns how many there were.
int drop_idle(ir::Graph& graph, ir::Node& node, ir::Subgraphs& subgraphs) {
  const std::vector<ir::Value*> captured = captured_by(node);
  std::vector<ir::Value*> kept;
  std::vector<std::vector<ir::Node*>> idle(subgraphs.graphs.size());
  for (size_t i = 0; i < captured.size(); ++i) {
    if (!is_idle(subgraphs, i, captured.size())) {
      kept.push_back(captured[i]);
      continue;
    }
    for (size_t g = 0; g < subgraphs.graphs.size(); ++g) {
      const std::vector<ir::Value*> formals = subgraphs.graphs[g].inputs();
      idle[g].push_back(&formals[formals.size() - captured.size() + i]->node());
    }
  }
  for (size_t g = 0; g < subgraphs.graphs.size(); ++g) {
    for (ir::Node* formal : idle[g]) subgraphs.graphs[g].erase(*formal);
  }
  for (size_t i = 0; i < kept.size(); ++i) graph.set_input(node, subgraphs.num_inputs + static_cast<int>(i), kept[i]);
  graph.truncate_inputs(node, subgraphs.num_inputs + static_cast<int>(kept.size()));
  return static_cast<int>(captured.size() - kept.size());
}

std::shared_ptr<ir::Subgraphs> copy_of(const ir::Subgraphs& subgraphs) {
  auto copy = std::make_shared<ir::Subgraphs>();
  copy->kind = subgraphs.kind;
  copy->num_inputs = subgraphs.num_inputs;
  for (const ir::Graph& graph : subgraphs.graphs) copy->graphs.push_back(graph.clone());
  copy->rewritten = subgraphs.rewritten;
  copy->local = subgraphs.local;
  copy->movable = subgraphs.movable;
  copy->num_scanned = subgraphs.num_scanned;
  copy->input_axes = subgraphs.input_axes;
  copy->input_backward = subgraphs.input_backward;
  copy->output_axes = subgraphs.output_axes;
  copy->output_backward = subgraphs.output_backward;
  copy->batched = subgraphs.batched;
  return copy;
}

}  // namespace

Change simplify_bodies(ir::Graph& graph, const std::function<Result<Change>(ir::Graph& body)>& simplify) {
  Change change = Change::none;
  for (ir::Node& node : graph.nodes()) {
    if (!has_bodies(node) || std::any_of(node.subgraphs->graphs.begin(), node.subgraphs->graphs.end(), is_quantized)) {
      continue;
    }
    const std::shared_ptr<ir::Subgraphs> copy = copy_of(*node.subgraphs);
    bool changed = false, failed = false;
    for (ir::Graph& inner : copy->graphs) {
      Body body(inner, captured_by(node));
      const auto result = simplify(inner);
      body.give_back();
      failed = failed || !result;
      changed = changed || (result && *result == Change::changed);
      if (!result) log::debug(node.label() + ": its inside stays as it is: " + result.error().message);
    }
    if (failed || !changed) continue;
    drop_idle(graph, node, *copy);
    copy->rewritten = true;
    node.subgraphs = copy;
    change = Change::changed;
  }
  return change;
}

int count_nodes(const ir::Graph& graph) {
  int count = 0;
  for (const ir::Node& node : graph.nodes()) {
    if (!ir::is_structural(node)) ++count;
    if (!has_bodies(node)) continue;
    for (const ir::Graph& body : node.subgraphs->graphs) count += count_nodes(body);
  }
  return count;
}

}  // namespace edgesmith::passes
