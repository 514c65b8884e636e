// SPDX-License-Identifier: Apache-2.0
// Which nodes compute on integers, and which values must therefore carry codes.
//
// An integer node needs codes on every data operand and on its result. The result is the value after the clamps that
// follow (a Relu whose zero is the lowest code is no operation any more). Operators that move numbers carry the codes
// of their operand on, so requirements spread through them in both directions. Sigmoid and Softmax compute on integers
// only where their result is needed as codes: as a last operator they stay float, which costs nothing and keeps small
// probabilities apart.
#include <algorithm>
#include <map>

#include "edgesmith/ops/op_info.h"
#include "passes/quantize/index_code.h"
#include "passes/quantize/node_form.h"
#include "passes/quantize/plan.h"
#include "passes/quantize/ties.h"

namespace edgesmith::passes::quantize {
namespace {

using ir::OpKind;
using Kind = ops::QuantFacts::Kind;

size_t id_of(const ir::Value& value) { return static_cast<size_t>(value.id()); }

class RegionFinder {
 public:
  RegionFinder(ir::Graph& graph, const targets::Target& target, const std::vector<bool>& selected,
               const std::string& others)
      : graph_(graph),
        target_(target),
        selected_(selected),
        others_(others),
        index_code_(find_index_code(graph)),
        depth_(find_depths(graph)),
        ties_(graph.num_value_ids()) {
    regions_.nodes.resize(static_cast<size_t>(graph.num_node_ids()));
    regions_.required.resize(static_cast<size_t>(graph.num_value_ids()), false);
    dilated_means_.resize(regions_.required.size(), false);
  }

  Regions run() {
    for (ir::Node& node : graph_.nodes()) classify(node);
    while (spread()) {
    }
    for (ir::Node& node : graph_.nodes()) settle(node);
    collect_watched();
    return std::move(regions_);
  }

 private:
  NodePlan& plan_of(const ir::Node& node) { return regions_.nodes[static_cast<size_t>(node.id())]; }
  bool is_required(const ir::Value& value) { return regions_.required[id_of(value)]; }

  void leave_float(const ir::Node& node, std::string reason, std::string advice = {}) {
    plan_of(node) = {.role = Role::floating, .reason = std::move(reason), .advice = std::move(advice)};
  }

  // Ids of the values that carry one scale with `value`.
  std::vector<int> tied_to(const ir::Value& value) {
    const auto known = members_.find(ties_.find(value.id()));
    return known != members_.end() ? known->second : std::vector<int>{value.id()};
  }

  std::vector<int> take_tied_to(const ir::Value& value) {
    const auto known = members_.find(ties_.find(value.id()));
    if (known == members_.end()) return {value.id()};
    std::vector<int> ids = std::move(known->second);
    members_.erase(known);
    return ids;
  }

  // Requires codes on a value and on everything tied to it. True when that is news.
  bool require(const ir::Value& value) {
    if (is_required(value)) return false;
    for (const int id : tied_to(value)) regions_.required[static_cast<size_t>(id)] = true;
    return true;
  }

  void tie(const ir::Value& a, const ir::Value& b) {
    if (!ties_.tied(a.id(), b.id())) {
      std::vector<int> more = take_tied_to(a), fewer = take_tied_to(b);
      if (more.size() < fewer.size()) more.swap(fewer);  // short lists go into long ones: n log n in all
      more.insert(more.end(), fewer.begin(), fewer.end());
      ties_.tie(a.id(), b.id());
      members_[ties_.find(a.id())] = std::move(more);
    }
    regions_.ties.emplace_back(a.id(), b.id());
    const bool either = is_required(a) || is_required(b);
    if (!either) return;
    regions_.required[id_of(a)] = regions_.required[id_of(b)] = false;
    require(a);
  }

  // True for nodes that are about shapes or integers, where there is no question of quantization.
  bool is_beside_the_point(const ir::Node& node) {
    bool beside = true;
    for (int i = 0; i < node.num_outputs(); ++i) {
      const ir::Value& output = node.output(i);
      beside = beside && (index_code_[id_of(output)] || !ir::is_float(output.type().dtype));
    }
    return beside;
  }

  bool reads_index_code(const ir::Node& node) {
    const std::vector<int> operands = data_operands(node);
    return std::any_of(operands.begin(), operands.end(),
                       [&](int i) { return node.input(i) != nullptr && index_code_[id_of(*node.input(i))]; });
  }

  // True for what reads an AveragePool with dilations, though clamped or moved. Runtimes pull codes up to the pool, and
  // ONNX Runtime refuses a model that has one between codes.
  bool is_behind_dilated_mean(const ir::Node& node) {
    bool behind = false;
    for (const int i : data_operands(node)) {
      behind = behind || (node.input(i) != nullptr && dilated_means_[id_of(*node.input(i))]);
    }
    const bool carries = clamp_bounds(node) || ops::quant_facts(node).kind == Kind::transparent;
    const bool marked = is_dilated_mean(node) || (behind && carries);
    for (int i = 0; marked && i < node.num_outputs(); ++i) dilated_means_[id_of(node.output(i))] = true;
    return behind;
  }

  // A float operator whose results are numbers of its operand, or zero.
  static bool keeps_numbers(const ir::Node& node) {
    if (node.is(OpKind::pad)) return pads_zeros(node) || node.attributes().get_string("mode", "constant") != "constant";
    return ops::quant_facts(node).kind == Kind::transparent && data_operands(node).size() == 1 &&
           !node.is(OpKind::resize);
  }

  void classify(ir::Node& node) {
    if (node.is(OpKind::input) || node.is(OpKind::output) || node.is(OpKind::constant)) return;
    if (node.is(OpKind::quantize_linear) || node.is(OpKind::dequantize_linear)) return;
    if (is_beside_the_point(node)) return;
    if (is_behind_dilated_mean(node)) {
      return leave_float(node, "it reads what an AveragePool with dilations gives, which must have no codes");
    }
    if (clamp_bounds(node)) return;  // settled after the node before it
    if (auto obstacle = find_obstacle(node, target_)) {
      leave_float(node, obstacle->reason, obstacle->advice);
      const bool joins = node.is(OpKind::concat) && target_.one_concat_scale;
      if ((keeps_numbers(node) && node.num_inputs() > 0) || joins) regions_.movers.push_back(&node);
      return;
    }
    if (reads_index_code(node)) return leave_float(node, "it reads numbers that are computed from shapes");
    if (!selected_[static_cast<size_t>(node.id())]) return leave_float(node, others_);
    const ops::QuantFacts facts = ops::quant_facts(node);
    switch (facts.kind) {
      case Kind::float_only: break;
      case Kind::activation: break;
      case Kind::compute: require_operands(node); break;
      case Kind::fixed_range:
        if (target_.limits.integer_only) {
          require_operands(node);
        } else {
          open_.push_back(&node);
        }
        break;
      case Kind::transparent:
        if (data_operands(node).size() > 1) {
          regions_.joins.push_back(&node);
        } else {
          regions_.carriers.push_back(&node);
          for (int i = 0; i < node.num_outputs(); ++i) tie(*node.input(data_operands(node)[0]), node.output(i));
          if (node.is(OpKind::max_pool)) require(node.output());
        }
        break;
    }
  }

  // A computing node becomes an integer one.
  void require_operands(ir::Node& node) {
    plan_of(node) = {.role = Role::integer, .result = &result_of(node)};
    const int raw = raw_operand(node);
    for (const int i : data_operands(node)) {
      if (node.input(i) != nullptr && i != raw) require(*operand_behind_pad(node, i));
    }
    const bool may_stay_float = can_hand_out_floats(node) || target_.input_codes_only;
    if (target_.limits.integer_only || !may_stay_float) require(*plan_of(node).result);
  }

  // The operand of a residual Add that stays without codes: the end of the longer branch, straight out of a Conv, so
  // that the runtime adds the skip inside that Conv. -1: none.
  int raw_operand(const ir::Node& node) const {
    if (!target_.skip_codes_only || !node.is(OpKind::add)) return -1;
    int raw = -1;
    for (int i = 0; i < 2; ++i) {
      const ir::Value& value = *node.input(i);
      if (!value.node().is(OpKind::conv) || value.uses().size() != 1 || value.is_graph_output()) continue;
      if (raw < 0 || depth_of(value) > depth_of(*node.input(raw))) raw = i;
    }
    return raw;
  }
  int depth_of(const ir::Value& value) const { return depth_[static_cast<size_t>(value.node().id())]; }

  // Nodes on the longest way from an input, by node id.
  static std::vector<int> find_depths(const ir::Graph& graph) {
    std::vector<int> depths(static_cast<size_t>(graph.num_node_ids()), 0);
    for (const ir::Node& node : graph.nodes()) {
      int& depth = depths[static_cast<size_t>(node.id())];
      for (int i = 0; i < node.num_inputs(); ++i) {
        if (node.input(i) != nullptr) {
          depth = std::max(depth, depths[static_cast<size_t>(node.input(i)->node().id())] + 1);
        }
      }
    }
    return depths;
  }

  // A Conv takes over the zero pads of a Pad that only it reads, but not through codes between the two.
  ir::Value* operand_behind_pad(ir::Node& node, int operand) {
    ir::Value* value = node.input(operand);
    ir::Node& pad = value->node();
    const bool foldable = node.is(OpKind::conv) && pads_zeros(pad) && value->uses().size() == 1 &&
                          pad.input(1) != nullptr && pad.input(1)->constant() != nullptr;
    if (!foldable) return value;
    plan_of(pad) = {.role = Role::vanishes, .reason = "its zeros join the pads of the Conv after it"};
    return pad.input(0);
  }

  // The value after the clamps that only this node's result goes through.
  static ir::Value& result_of(ir::Node& node) {
    ir::Value* result = &node.output();
    while (result->uses().size() == 1 && clamp_bounds(*result->uses()[0].node) && result->uses()[0].index == 0) {
      result = &result->uses()[0].node->output();
    }
    return *result;
  }

  // One round of requirements through the nodes that become integer ones only when asked. True when anything changed.
  bool spread() {
    bool changed = false;
    for (ir::Node* node : open_) {
      if (plan_of(*node).role == Role::integer || !is_required(result_of(*node))) continue;
      require_operands(*node);
      changed = true;
    }
    for (ir::Node* node : regions_.joins) {
      if (!is_required(node->output())) continue;
      for (const int i : data_operands(*node)) changed = require(*node->input(i)) || changed;
    }
    return changed;
  }

  // Roles of the nodes that classify() left open, now that the requirements are known.
  void settle(ir::Node& node) {
    NodePlan& plan = plan_of(node);
    if (plan.role != Role::none || is_structural(node) || is_beside_the_point(node)) return;
    if (clamp_bounds(node)) return settle_clamp(node);
    const ops::QuantFacts facts = ops::quant_facts(node);
    if (facts.kind == Kind::fixed_range) {
      return leave_float(node, "nothing after it computes on integers, so floats cost nothing");
    }
  }

  void settle_clamp(ir::Node& node) {
    const ir::Value& operand = *node.input(0);
    const NodePlan& before = plan_of(operand.node());
    const bool follows_integer = operand.uses().size() == 1 && !is_required(operand) &&
                                 (before.role == Role::integer || before.role == Role::vanishes);
    if (follows_integer && is_required(node.output())) {
      plan_of(node).role = Role::vanishes;
    } else if (follows_integer && node.output().uses().size() == 1 && clamp_bounds(*node.output().uses()[0].node)) {
      plan_of(node).role = Role::vanishes;  // so does the clamp after it, or it is said there why not
    } else if (is_required(operand) && is_required(node.output())) {
      plan_of(node).role = Role::vanishes;
    } else {
      leave_float(node, "the node before it or the one after it is a float operator");
    }
  }

  static bool is_structural(const ir::Node& node) {
    return node.is(OpKind::input) || node.is(OpKind::output) || node.is(OpKind::constant) ||
           node.is(OpKind::quantize_linear) || node.is(OpKind::dequantize_linear);
  }

  void collect_watched() {
    std::vector<bool> joined(regions_.required.size(), false);
    for (const ir::Node* join : regions_.joins) {
      joined[id_of(join->output())] = true;
      for (const int i : data_operands(*join)) joined[id_of(*join->input(i))] = true;
    }
    for (ir::Node& node : graph_.nodes()) {
      for (int i = 0; i < node.num_outputs(); ++i) {
        ir::Value& value = node.output(i);
        if (is_required(value) || joined[id_of(value)]) regions_.watched.push_back(&value);
      }
    }
  }

  ir::Graph& graph_;
  const targets::Target& target_;
  const std::vector<bool>& selected_;
  const std::string& others_;
  std::vector<bool> index_code_;
  std::vector<int> depth_;
  std::vector<bool> dilated_means_;  // by value id: see is_behind_dilated_mean
  Ties ties_;
  std::map<int, std::vector<int>> members_;  // of every set of more than one, by its representative
  std::vector<ir::Node*> open_;              // Sigmoid, Softmax: integer when their result is needed as codes
  Regions regions_;
};

}  // namespace

Regions find_regions(ir::Graph& graph, const targets::Target& target, const std::vector<bool>& selected,
                     const std::string& others) {
  return RegionFinder(graph, target, selected, others).run();
}

}  // namespace edgesmith::passes::quantize
