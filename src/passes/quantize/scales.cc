// SPDX-License-Identifier: Apache-2.0
// Which values share a scale, once their ranges are known.
//
// A join (Concat) whose operands have like ranges gets one scale for all of them and its result, so that their
// producers write the final codes. Where the ranges differ much (pixel coordinates beside probabilities) one scale
// would leave the small operand a few codes only: then each keeps its own, and the join stays float where nobody needs
// its codes.
#include <algorithm>
#include <cmath>

#include "edgesmith/base/text.h"
#include "edgesmith/ops/op_info.h"
#include "passes/quantize/node_form.h"
#include "passes/quantize/plan.h"
#include "passes/quantize/ties.h"

namespace edgesmith::passes::quantize {
namespace {

// What is known of a set of tied values, kept at its representative.
struct SetFacts {
  Range range;
  Bounds bounds;
  std::optional<Range> fixed;
  std::optional<ir::Quant> given;
};

class ScalePlanner {
 public:
  ScalePlanner(ir::Graph& graph, Regions regions, const targets::Target& target, const std::vector<Range>& seen)
      : graph_(graph),
        regions_(std::move(regions)),
        target_(target),
        ties_(graph.num_value_ids()),
        facts_(static_cast<size_t>(graph.num_value_ids())) {
    for (ir::Node& node : graph_.nodes()) {
      for (int i = 0; i < node.num_outputs(); ++i) facts_of_value(node.output(i), seen);
    }
    for (const auto& [a, b] : regions_.ties) tie(a, b);
  }

  Plan run() {
    for (ir::Node* join : regions_.joins) decide_join(*join);
    for (ir::Node* mover : regions_.movers) decide_mover(*mover);
    for (ir::Node* carrier : regions_.carriers) decide_carrier(*carrier);
    return build();
  }

 private:
  SetFacts& facts(int id) { return facts_[static_cast<size_t>(ties_.find(id))]; }
  bool is_required(const ir::Value& value) { return regions_.required[static_cast<size_t>(value.id())]; }
  NodePlan& plan_of(const ir::Node& node) { return regions_.nodes[static_cast<size_t>(node.id())]; }

  void facts_of_value(const ir::Value& value, const std::vector<Range>& seen) {
    SetFacts& facts = facts_[static_cast<size_t>(value.id())];
    facts.range = seen[static_cast<size_t>(value.id())].joined({0, 0});
    facts.given = value.quant();
    if (auto bounds = clamp_bounds(value.node())) facts.bounds = behind_clamps(value.node(), *bounds);
    const ops::QuantFacts quant = ops::quant_facts(value.node());
    if (quant.kind == ops::QuantFacts::Kind::fixed_range) {
      facts.fixed = Range{static_cast<float>(quant.fixed_min), static_cast<float>(quant.fixed_max)};
    }
    if (const targets::FixedOutput* output = target_.fixed_output(value.node().op())) facts.fixed = range_of(*output);
  }

  // The range whose codes have the scale and zero point that the target fixes.
  Range range_of(const targets::FixedOutput& output) const {
    const auto lowest = static_cast<float>(ir::min_code(target_.activation_dtype) - output.zero_point);
    const auto highest = static_cast<float>(ir::max_code(target_.activation_dtype) - output.zero_point);
    return {output.scale * (target_.symmetric_activations ? -highest : lowest), output.scale * highest};
  }

  // A clamp after a clamp promises both.
  static Bounds behind_clamps(const ir::Node& node, Bounds bounds) {
    const ir::Node& before = node.input(0)->node();
    const auto more = clamp_bounds(before);
    return more ? behind_clamps(before, bounds.met(*more)) : bounds;
  }

  void tie(int a, int b) {
    if (ties_.tied(a, b)) return;
    SetFacts joined = facts(a);
    const SetFacts& other = facts(b);
    joined.range = joined.range.joined(other.range);
    joined.bounds = joined.bounds.met(other.bounds);
    if (!joined.fixed) joined.fixed = other.fixed;
    if (!joined.given) joined.given = other.given;
    ties_.tie(a, b);
    facts(a) = joined;
  }

  // Whether two sets lose little by sharing a scale; the reason when they do.
  std::string objection(int a, int b, const ir::Node& join) {
    const SetFacts& first = facts(a);
    const SetFacts& second = facts(b);
    if (first.given || second.given) {
      const bool same = first.given && second.given && first.given->same_codes(*second.given);
      return same ? "" : "the scales of its inputs were set before and differ";
    }
    if (first.fixed != second.fixed) return "one of its inputs has a fixed range";
    const Range range = first.range.joined(second.range);
    const Bounds bounds = first.bounds.met(second.bounds);
    if (must_share(join)) return "";
    if (range.min < bounds.min || range.max > bounds.max) {
      return "the values of one input lie outside the clamp of another";
    }
    const float small = std::min(first.range.magnitude(), second.range.magnitude());
    const float large = std::max(first.range.magnitude(), second.range.magnitude());
    if (small > 0 && large > kLargestScaleRatio * small) {
      return "the ranges of its inputs differ by a factor of " + shortest(std::round(large / small));
    }
    return "";
  }

  // Where Concat must have one scale, the target's runtime keeps a clamp as part of the operator before it.
  bool must_share(const ir::Node& join) const { return target_.one_concat_scale && join.is(ir::OpKind::concat); }

  void decide_join(ir::Node& join) {
    NodePlan& plan = plan_of(join);
    if (plan.role == Role::floating) return;
    const std::vector<int> operands = data_operands(join);
    const bool needed = is_required(join.output());
    const bool fed = std::all_of(operands.begin(), operands.end(), [&](int i) { return is_required(*join.input(i)); });
    if (!needed && !fed) {
      plan = {.role = Role::floating, .reason = "it stands between float operators"};
      return;
    }
    std::string problem;
    for (const int i : operands) {
      for (const int j : operands) {
        if (problem.empty() && i < j) problem = objection(join.input(i)->id(), join.input(j)->id(), join);
      }
    }
    if (!problem.empty() && !needed) {
      plan = {.role = Role::floating, .reason = problem + ": it stays float so that the small one keeps its precision"};
      return;
    }
    plan.role = problem.empty() ? Role::moves : Role::integer;
    if (!problem.empty()) {
      plan.reason = problem + ": each keeps its own scale";
      plan.advice = "keep it float if the layers after it suffer";
      return;
    }
    for (const int i : operands) tie(join.input(i)->id(), join.output().id());
    SetFacts& joined = facts(join.output().id());
    const bool beyond = joined.range.min < joined.bounds.min || joined.range.max > joined.bounds.max;
    if (must_share(join) && beyond) joined.bounds = {};
    require_all(join.output().id());
  }

  void require_all(int id) {
    for (int other = 0; other < graph_.num_value_ids(); ++other) {
      if (ties_.tied(id, other)) regions_.required[static_cast<size_t>(other)] = true;
    }
  }

  // A float operator between two values with codes: with one scale on both sides it loses nothing.
  void decide_mover(ir::Node& mover) {
    ir::Value& operand = *mover.input(0);
    if (plan_of(mover).role != Role::floating || !is_required(operand) || !is_required(mover.output())) return;
    if (!objection(operand.id(), mover.output().id(), mover).empty()) return;
    tie(operand.id(), mover.output().id());
  }

  void decide_carrier(ir::Node& carrier) {
    NodePlan& plan = plan_of(carrier);
    plan.role = is_required(carrier.output()) ? Role::moves : Role::floating;
    if (plan.role == Role::floating) plan.reason = "it stands between float operators";
  }

  Plan build() {
    Plan plan;
    plan.set_of.assign(static_cast<size_t>(graph_.num_value_ids()), -1);
    std::vector<int> set_of_root(plan.set_of.size(), -1);
    for (ir::Node& node : graph_.nodes()) {
      for (int i = 0; i < node.num_outputs(); ++i) {
        ir::Value& value = node.output(i);
        if (!is_required(value)) continue;
        int& index = set_of_root[static_cast<size_t>(ties_.find(value.id()))];
        if (index < 0) {
          index = static_cast<int>(plan.sets.size());
          const SetFacts& known = facts(value.id());
          plan.sets.push_back({.values = {}, .bounds = known.bounds, .fixed = known.fixed, .given = known.given});
        }
        plan.set_of[static_cast<size_t>(value.id())] = index;
        ScaleSet& set = plan.sets[static_cast<size_t>(index)];
        set.values.push_back(&value);
        set.holds_input = set.holds_input || value.is_graph_input();
      }
    }
    plan.nodes = std::move(regions_.nodes);
    return plan;
  }

  ir::Graph& graph_;
  Regions regions_;
  const targets::Target& target_;
  Ties ties_;
  std::vector<SetFacts> facts_;  // by value id; true at the representatives
};

}  // namespace

Plan plan_scales(ir::Graph& graph, Regions regions, const targets::Target& target, const std::vector<Range>& seen) {
  return ScalePlanner(graph, std::move(regions), target, seen).run();
}

}  // namespace edgesmith::passes::quantize
