// SPDX-License-Identifier: Apache-2.0
// Nodes back to floats: annotations go where no node on codes makes or reads a value, constants become reals.
//
//   conv (float) ─▶ x q ─▶ add (int8)            =>  conv ─▶ x ─▶ identity ─▶ q ─▶ add (int8)
//                     └──▶ pool (float)                      └──▶ pool
#include <algorithm>
#include <cmath>
#include <map>

#include "edgesmith/passes/precision.h"
#include "passes/rewrite.h"
#include "passes/select/precision_units.h"
#include "passes/select/set_float.h"

namespace edgesmith::passes {
namespace {

using select::find_units;
using select::Unit;
using select::Units;

// A number that was rounded to a code lies half a step from it; rounding that makes up for its neighbours moves it by
// a step or two. Where more than this share of the numbers are farther off, they are not what was quantized: pruned or
// trained in between.
constexpr double kSteps = 2, kShareOff = 0.01;

/// Whether `reals` are what the codes of `tensor` were made of.
bool rounds_to(const std::vector<float>& reals, const ir::Tensor& tensor) {
  const std::vector<float> rounded = tensor.to_floats();
  const ir::Quant& quant = tensor.quant();
  if (rounded.size() != reals.size() || quant.block_size > 0) return false;
  size_t inner = 1;
  for (int axis = quant.axis + 1; !quant.per_tensor() && axis < tensor.rank(); ++axis) {
    inner *= static_cast<size_t>(tensor.dims()[static_cast<size_t>(axis)]);
  }
  size_t off = 0;
  for (size_t i = 0; i < reals.size(); ++i) {
    const float step = quant.scale[quant.per_tensor() ? 0 : i / inner % quant.scale.size()];
    off += std::fabs(static_cast<double>(reals[i]) - rounded[i]) <= kSteps * step ? 0 : 1;
  }
  return static_cast<double>(off) <= kShareOff * static_cast<double>(reals.size());
}

/// The constant that `tensor` was made of, or null.
const ir::Tensor* same_numbers(const ir::Tensor& tensor, const ir::Node& original, int operand, bool is_bias) {
  const ir::Value* value = operand < original.num_inputs() ? original.input(operand) : nullptr;
  const ir::Tensor* reals = value != nullptr ? value->constant() : nullptr;
  const bool fits = reals != nullptr && reals->dtype() == ir::DType::f32 && reals->dims() == tensor.dims() &&
                    reals->encoding() == ir::Encoding::dense;
  return fits && (is_bias || rounds_to(reals->to_floats(), tensor)) ? reals : nullptr;
}

/// The nodes of a model by their keys.
std::map<std::string, const ir::Node*> nodes_by_key(const ir::Graph& graph) {
  std::map<std::string, const ir::Node*> nodes;
  const std::vector<std::string> keys = node_keys(graph);
  for (const ir::Node& node : graph.nodes()) nodes.emplace(keys[static_cast<size_t>(node.id())], &node);
  return nodes;
}

class FloatSetter {
 public:
  FloatSetter(ir::Graph& graph, const targets::Target& target, const PrecisionPlan& plan, const ir::Graph* original)
      : graph_(graph), units_(find_units(graph, target)) {
    is_float_.assign(static_cast<size_t>(graph.num_node_ids()), true);
    for (const Unit& unit : units_.list) {
      if (unit.choice >= 0) mark(unit, false);
    }
    for (const PrecisionNode& node : plan.nodes) {
      const int unit = units_.of_node[static_cast<size_t>(node.id)];
      if (!node.int8 && unit >= 0) mark(units_.list[static_cast<size_t>(unit)], true);
    }
    keys_ = node_keys(graph);
    if (original != nullptr) originals_ = nodes_by_key(*original);
  }

  FloatConstants run() {
    std::vector<ir::Node*> nodes;
    for (ir::Node& node : graph_.nodes()) nodes.push_back(&node);
    for (const Unit& unit : units_.list) {
      if (unit.choice < 0 || !is_float(*unit.nodes.front())) continue;
      for (ir::Node* node : unit.nodes) set_constants(*node);
    }
    for (ir::Node* node : nodes) {
      for (int i = 0; i < node->num_outputs(); ++i) set_value(node->output(i));
    }
    for (ir::Node* node : nodes) {
      const bool idle = node->is(ir::OpKind::identity) && !node->output().quant() && !node->output().is_graph_output();
      if (idle) bypass_node(graph_, *node, *node->input(0));
    }
    return done_;
  }

 private:
  void mark(const Unit& unit, bool is_float) {
    for (const ir::Node* node : unit.nodes) is_float_[static_cast<size_t>(node->id())] = is_float;
  }
  bool is_float(const ir::Node& node) const { return is_float_[static_cast<size_t>(node.id())]; }

  void set_value(ir::Value& value) {
    if (!value.quant() || value.constant() != nullptr || !is_float(value.node())) return;
    std::vector<ir::Use> on_codes;
    for (const ir::Use& use : value.uses()) {
      if (!is_float(*use.node)) on_codes.push_back(use);
    }
    if (on_codes.size() == value.uses().size()) return;
    const ir::Quant quant = *value.quant();
    value.set_quant(std::nullopt);
    if (on_codes.empty()) return;
    std::sort(on_codes.begin(), on_codes.end(), [](const ir::Use& a, const ir::Use& b) {
      return std::pair(a.node->id(), a.index) < std::pair(b.node->id(), b.index);
    });
    ir::Node& first = *value.node().next();
    ir::Value& copy = graph_.insert_before(first, ir::OpKind::identity, {&value}).output();
    copy.set_type(value.type());
    copy.set_quant(quant);
    for (const ir::Use& use : on_codes) graph_.set_input(*use.node, use.index, &copy);
  }

  void set_constants(ir::Node& node) {
    const auto found = originals_.find(keys_[static_cast<size_t>(node.id())]);
    const ir::Node* original = found != originals_.end() && found->second->op() == node.op() ? found->second : nullptr;
    bool weights_are_original = original != nullptr;
    for (const bool weights : {true, false}) {  // the bias follows the weights that it was corrected for
      for (int i = 0; i < node.num_inputs(); ++i) {
        const ir::Tensor* tensor = node.input(i) != nullptr ? node.input(i)->constant() : nullptr;
        if (tensor == nullptr || tensor->encoding() != ir::Encoding::affine) continue;
        const bool is_bias = tensor->quant().dtype == ir::DType::i32;
        if (is_bias == weights) continue;
        const ir::Tensor* reals = weights_are_original ? same_numbers(*tensor, *original, i, is_bias) : nullptr;
        if (!is_bias) ++(reals != nullptr ? done_.original : done_.dequantized);
        weights_are_original = reals != nullptr;
        set_constant(node, i, reals != nullptr ? *reals : tensor->dense(), reals != nullptr);
      }
    }
  }

  // Nodes that share a constant go on sharing it where it becomes the same.
  void set_constant(ir::Node& node, int operand, const ir::Tensor& tensor, bool is_original) {
    ir::Value& old = *node.input(operand);
    ir::Value*& shared = reals_[{old.id(), is_original}];
    if (shared == nullptr) shared = &graph_.add_constant(tensor, old.name(), &old.node());
    graph_.set_input(node, operand, shared);
    if (old.unused()) graph_.erase(old.node());
  }

  ir::Graph& graph_;
  Units units_;
  std::vector<bool> is_float_;  // by node id: does not compute on codes
  std::vector<std::string> keys_;
  std::map<std::string, const ir::Node*> originals_;
  std::map<std::pair<int, bool>, ir::Value*> reals_;
  FloatConstants done_;
};

}  // namespace

namespace select {

Result<ir::Graph> clean_original(const ir::Graph& original, const targets::Target& target) {
  ir::Graph cleaned = original.clone();
  PassContext context;
  context.target = &target;
  const PassInfo& simplify = *find_pass("simplify");
  const auto change = run_pass(simplify, cleaned, Options(simplify.options()), context);
  if (!change) return change.error();
  return cleaned;
}

FloatConstants set_float_from(ir::Graph& graph, const targets::Target& target, const PrecisionPlan& plan,
                              const ir::Graph* cleaned) {
  return FloatSetter(graph, target, plan, cleaned).run();
}

}  // namespace select

Result<bool> has_weights_of(const ir::Graph& graph, const targets::Target& target, const ir::Graph& original) {
  const auto cleaned = select::clean_original(original, target);
  if (!cleaned) return cleaned.error();
  const std::map<std::string, const ir::Node*> originals = nodes_by_key(*cleaned);
  const std::vector<std::string> keys = node_keys(graph);
  bool any = false;
  for (const ir::Node& node : graph.nodes()) {
    for (int i = 0; i < node.num_inputs(); ++i) {
      const ir::Tensor* tensor = node.input(i) != nullptr ? node.input(i)->constant() : nullptr;
      if (tensor == nullptr || tensor->encoding() != ir::Encoding::affine) continue;
      if (tensor->quant().dtype == ir::DType::i32) continue;  // a bias
      any = true;
      const auto found = originals.find(keys[static_cast<size_t>(node.id())]);
      if (found == originals.end() || found->second->op() != node.op()) continue;
      if (same_numbers(*tensor, *found->second, i, false) != nullptr) return true;
    }
  }
  return !any;
}

Result<FloatConstants> set_float(ir::Graph& graph, const targets::Target& target, const PrecisionPlan& plan,
                                 const ir::Graph* original) {
  if (original == nullptr) return select::set_float_from(graph, target, plan, nullptr);
  auto cleaned = select::clean_original(*original, target);
  if (!cleaned) return cleaned.error();
  return select::set_float_from(graph, target, plan, &*cleaned);
}

}  // namespace edgesmith::passes
