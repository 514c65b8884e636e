// SPDX-License-Identifier: Apache-2.0
#include "passes/prune/structured/branches.h"

#include <algorithm>
#include <optional>
#include <set>

#include "edgesmith/ir/node_text.h"
#include "edgesmith/ops/op_info.h"
#include "passes/quantize/node_form.h"

namespace edgesmith::passes::prune {
namespace {

bool same_shape(const ir::Type& a, const ir::Type& b) {
  if (!a.shape || !b.shape || a.shape->size() != b.shape->size()) return false;
  for (size_t d = 0; d < a.shape->size(); ++d) {
    if (!(*a.shape)[d].same_as((*b.shape)[d])) return false;
  }
  return true;
}

bool is_plain(const ir::Node& node) {
  return !node.is(ir::OpKind::input) && !node.is(ir::OpKind::constant) && !node.is(ir::OpKind::output);
}

// Two unlike operands, both of the result's shape, that are no constants.
bool is_residual(const ir::Node& add) {
  if (!add.is(ir::OpKind::add) || add.input(0) == add.input(1) || add.output().quant()) return false;
  for (const int i : {0, 1}) {
    if (add.input(i)->constant() != nullptr || !same_shape(add.input(i)->type(), add.output().type())) return false;
  }
  return true;
}

// Nodes whose only way out is this operand of the Add.
std::vector<bool> nodes_behind(const ir::Graph& graph, const ir::Node& add, int operand) {
  std::vector<bool> inside(static_cast<size_t>(graph.num_node_ids()), false);
  for (const ir::Node* node = add.previous(); node != nullptr; node = node->previous()) {
    bool used = false, only = is_plain(*node);
    for (int i = 0; i < node->num_outputs(); ++i) {
      for (const ir::Use& use : node->output(i).uses()) {
        used = true;
        only = only && (inside[static_cast<size_t>(use.node->id())] || (use.node == &add && use.index == operand));
      }
    }
    inside[static_cast<size_t>(node->id())] = used && only;
  }
  return inside;
}

// Whether a graph input would lose its last reader.
bool is_only_way_in(const ir::Graph& graph, const std::vector<bool>& inside) {
  for (const ir::Value* input : graph.inputs()) {
    const auto uses = input->uses();
    const auto goes = [&](const ir::Use& use) { return inside[static_cast<size_t>(use.node->id())]; };
    if (!uses.empty() && std::all_of(uses.begin(), uses.end(), goes)) return true;
  }
  return false;
}

bool is_same_clamp(const ir::Node& a, const ir::Node& b) {
  const auto one = quantize::clamp_bounds(a), two = quantize::clamp_bounds(b);
  return one && two && one->min == two->min && one->max == two->max;
}

// The clamp that is all that reads the value, or null.
const ir::Node* clamp_after(const ir::Value& value) {
  if (value.uses().size() != 1 || value.uses()[0].index != 0) return nullptr;
  const ir::Node* node = value.uses()[0].node;
  return quantize::clamp_bounds(*node) ? node : nullptr;
}

class Finder {
 public:
  Finder(const ir::Graph& graph, const ChannelMap& map, const std::vector<MixLayer>& layers,
         const std::vector<bool>& selected)
      : graph_(graph),
        map_(map),
        layers_(layers),
        selected_(selected),
        layer_of_(static_cast<size_t>(graph.num_node_ids()), -1) {
    for (size_t l = 0; l < layers.size(); ++l)
      layer_of_[static_cast<size_t>(layers[l].node->id())] = static_cast<int>(l);
  }

  std::vector<Branch> run() const {
    std::vector<Branch> branches;
    for (const ir::Node& node : graph_.nodes()) {
      if (!is_residual(node)) continue;
      std::optional<Branch> best;
      double most = 0;
      for (const int operand : {0, 1}) {
        double macs = 0;
        std::optional<Branch> branch = behind(node, operand, macs);
        if (!branch || macs <= most) continue;
        most = macs;
        best = std::move(branch);
      }
      if (best) branches.push_back(std::move(*best));
    }
    return branches;
  }

 private:
  std::optional<Branch> behind(const ir::Node& add, int operand, double& macs) const {
    const std::vector<bool> inside = nodes_behind(graph_, add, operand);
    Branch branch;
    branch.add = add.id();
    branch.operand = operand;
    branch.sum = add.output().id();
    branch.spaces.assign(map_.spaces().size(), false);
    for (const ir::Node& node : graph_.nodes()) {
      if (!inside[static_cast<size_t>(node.id())]) continue;
      branch.nodes.push_back(node.id());
      macs += static_cast<double>(ops::cost_of(node).macs);
      if (quantize::weight_of(node) != nullptr && !selected_[static_cast<size_t>(node.id())]) return std::nullopt;
      for (int i = 0; i < node.num_outputs(); ++i) {
        if (const ChannelSpace* space = map_.space(&node.output(i)))
          branch.spaces[static_cast<size_t>(space - map_.spaces().data())] = true;
      }
      if (layer_of_[static_cast<size_t>(node.id())] < 0) continue;
      ++branch.layers;
      branch.name = ir::name_or_label(node);
    }
    if (branch.layers == 0 || is_only_way_in(graph_, inside)) return std::nullopt;
    const ChannelSpace* space = map_.space(add.input(operand));
    if (space == nullptr) return std::nullopt;
    branch.space = static_cast<int>(space - map_.spaces().data());
    find_stand_in(add, inside, branch);
    return branch;
  }

  void find_stand_in(const ir::Node& add, const std::vector<bool>& inside, Branch& branch) const {
    const ir::Value* value = add.input(1 - branch.operand);
    for (const ir::Use& use : value->uses()) {
      if (use.node != &add && !inside[static_cast<size_t>(use.node->id())]) return;
    }
    const ir::Node *before = &value->node(), *after = clamp_after(add.output());
    if (quantize::clamp_bounds(*before)) {
      if (after == nullptr || !is_same_clamp(*before, *after)) return;
      value = before->input(0);
      if (value->uses().size() != 1) return;
    }
    // The last layer that is summed up to the value.
    const ir::Node& maker = value->node();
    for (int l = static_cast<int>(layers_.size()) - 1; l >= 0; --l) {
      const ir::Node& node = *layers_[static_cast<size_t>(l)].node;
      const bool makes = &node == &maker ||
                         (is_residual(maker) && (&node.output() == maker.input(0) || &node.output() == maker.input(1)));
      if (!makes || node.is(ir::OpKind::conv_transpose) || !selected_[static_cast<size_t>(node.id())]) continue;
      if (&node != &maker && &residual_sum(node) != value) continue;
      branch.stand_in = l;
      branch.base = value->id();
      return;
    }
  }

  const ir::Graph& graph_;
  const ChannelMap& map_;
  const std::vector<MixLayer>& layers_;
  const std::vector<bool>& selected_;
  std::vector<int> layer_of_;  // by node id
};

ir::Node* find_node(ir::Graph& graph, int id) {
  for (ir::Node& node : graph.nodes()) {
    if (node.id() == id) return &node;
  }
  return nullptr;
}

}  // namespace

const ir::Value& residual_sum(const ir::Node& layer, const ir::Value** other) {
  if (other != nullptr) *other = nullptr;
  const ir::Value& own = layer.output();
  if (own.uses().size() != 1) return own;
  const ir::Use use = own.uses()[0];
  if (!is_residual(*use.node) || use.node->input(1 - use.index)->is_graph_input()) return own;
  if (other != nullptr) *other = use.node->input(1 - use.index);
  return use.node->output();
}

std::vector<Branch> find_branches(const ir::Graph& graph, const ChannelMap& map, const std::vector<MixLayer>& layers,
                                  const std::vector<bool>& selected) {
  return Finder(graph, map, layers, selected).run();
}

void remove_branch(ir::Graph& graph, const Branch& branch, const ir::Tensor* mean) {
  ir::Node* add = find_node(graph, branch.add);
  if (add == nullptr) return;  // it was in a branch that is gone
  if (mean != nullptr) {
    graph.set_input(*add, branch.operand, &graph.add_constant(*mean, {}, add));
  } else {
    ir::Value& left = *add->input(1 - branch.operand);
    const auto* after = clamp_after(add->output());
    const bool twice = after != nullptr && quantize::clamp_bounds(left.node()) && is_same_clamp(left.node(), *after);
    graph.replace_all_uses(add->output(), left);
    graph.erase(*add);
    if (twice) {
      ir::Node& clamp = *find_node(graph, after->id());
      graph.replace_all_uses(clamp.output(), left);
      graph.erase(clamp);
    }
  }
  const std::set<int> nodes(branch.nodes.begin(), branch.nodes.end());
  for (ir::Node* node = graph.output_node().previous(); node != nullptr;) {
    ir::Node* previous = node->previous();
    bool used = node->is(ir::OpKind::input) || (!node->is(ir::OpKind::constant) && nodes.count(node->id()) == 0);
    for (int i = 0; i < node->num_outputs(); ++i) used = used || !node->output(i).unused();
    if (!used) graph.erase(*node);
    node = previous;
  }
}

}  // namespace edgesmith::passes::prune
