// SPDX-License-Identifier: Apache-2.0
#include "train/activation_steps.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "edgesmith/ops/op_info.h"

namespace edgesmith::train {
namespace {

// Values whose codes must stay equal, as sets with a representative each.
class Ties {
 public:
  explicit Ties(int count) : parent_(static_cast<size_t>(count)) {
    for (int i = 0; i < count; ++i) parent_[static_cast<size_t>(i)] = i;
  }
  int find(int id) {
    while (parent_[static_cast<size_t>(id)] != id) id = parent_[static_cast<size_t>(id)];
    return id;
  }
  void tie(int a, int b) {
    const int first = std::min(find(a), find(b)), second = std::max(find(a), find(b));
    parent_[static_cast<size_t>(second)] = first;
  }

 private:
  std::vector<int> parent_;
};

bool has_step(const ir::Value& value) {
  return value.quant() && value.quant()->per_tensor() && value.type().dtype == ir::DType::f32 &&
         ir::dtype_bits(value.quant()->dtype) <= 16;
}

bool may_change(const ir::Value& value) {
  return value.constant() == nullptr && !value.is_graph_input() &&
         ops::quant_facts(value.node()).kind != ops::QuantFacts::Kind::fixed_range;
}

// Equal codes on both sides of an operator are one grid: what moves codes about, and what joins them, needs that.
void tie_around(const ir::Node& node, Ties& ties) {
  std::vector<const ir::Value*> values;
  for (int i = 0; i < node.num_inputs(); ++i) {
    if (node.input(i) != nullptr && has_step(*node.input(i))) values.push_back(node.input(i));
  }
  for (int i = 0; i < node.num_outputs(); ++i) {
    if (has_step(node.output(i))) values.push_back(&node.output(i));
  }
  for (size_t a = 0; a < values.size(); ++a) {
    for (size_t b = a + 1; b < values.size(); ++b) {
      if (values[a]->quant()->same_codes(*values[b]->quant())) ties.tie(values[a]->id(), values[b]->id());
    }
  }
}

// The largest scale with which `codes` of them stay within `limit` in float arithmetic.
float fit_within(float limit, float codes) {
  float scale = limit / codes;
  while (scale * codes > limit) scale = std::nextafter(scale, 0.0F);
  return scale;
}

std::optional<float> clamp_of(const ir::Node& node, int operand) {
  const ir::Value* bound = node.is(ir::OpKind::clip) ? node.input(operand) : nullptr;
  if (bound == nullptr || bound->constant() == nullptr || bound->constant()->size() != 1) return std::nullopt;
  return bound->constant()->to_floats()[0];
}

void add_limit(StepGroup& group, float limit, float codes) {
  if (!(limit > 0) || !(codes > 0)) return;
  const float largest = fit_within(limit, codes);
  // A scale that is beyond it already was not made by this rule.
  if (group.scale > largest) return;
  group.largest = group.largest ? std::min(*group.largest, largest) : largest;
}

}  // namespace

std::vector<StepGroup> find_step_groups(const ir::Graph& graph) {
  Ties ties(graph.num_value_ids());
  std::set<std::string> names;
  for (const ir::Node& node : graph.nodes()) {
    for (int i = 0; i < node.num_outputs(); ++i) names.insert(node.output(i).name());
    if (!node.is(ir::OpKind::output)) tie_around(node, ties);
  }
  std::vector<int> group_of(static_cast<size_t>(graph.num_value_ids()), -1);
  std::vector<bool> stays(group_of.size(), false);
  const auto each = [&](const auto& visit) {
    for (ir::Node& node : graph.nodes()) {
      for (int i = 0; i < node.num_outputs(); ++i) {
        if (has_step(node.output(i))) visit(node.output(i), static_cast<size_t>(ties.find(node.output(i).id())));
      }
    }
  };
  each([&](const ir::Value& value, size_t root) { stays[root] = stays[root] || !may_change(value); });
  std::vector<StepGroup> groups;
  each([&](ir::Value& value, size_t root) {
    if (stays[root]) return;
    if (group_of[root] < 0) {
      group_of[root] = static_cast<int>(groups.size());
      const ir::Quant& quant = *value.quant();
      std::string name = value.name();
      if (name.empty()) name = std::string(ir::op_name(value.node().op())) + std::to_string(value.node().id());
      name += ".step";
      while (!names.insert(name).second) name += ".step";
      groups.push_back({.name = name,
                        .values = {},
                        .scale = quant.scale[0],
                        .low = static_cast<float>(ir::min_code(quant.dtype) - quant.zero_point[0]),
                        .high = static_cast<float>(ir::max_code(quant.dtype) - quant.zero_point[0])});
    }
    StepGroup& group = groups[static_cast<size_t>(group_of[root])];
    group.values.push_back(&value);
    if (const auto least = clamp_of(value.node(), 1)) add_limit(group, -*least, -group.low);
    if (const auto most = clamp_of(value.node(), 2)) add_limit(group, *most, group.high);
  });
  return groups;
}

float used_scale(const StepGroup& group, float learned) {
  const float scale = used_step(learned, group.scale);
  return group.largest ? std::min(scale, *group.largest) : scale;
}

int64_t numbers_of(const StepGroup& group) {
  int64_t numbers = 1;
  const auto& shape = group.values[0]->type().shape;
  for (size_t d = 1; shape && d < shape->size(); ++d) {
    if ((*shape)[d].known()) numbers *= std::max<int64_t>(1, (*shape)[d].value());
  }
  return numbers;
}

void build_steps(ir::Graph& graph, NodeMaker& head, const StepGroup& group, ir::Value& learned) {
  ir::Value* step = &build_step(head, learned, ir::Tensor::scalar(group.scale));
  if (group.largest) {
    step = &head.make(ir::OpKind::min, {step, &head.constant(ir::Tensor::scalar(*group.largest))});
  }
  for (ir::Value* value : group.values) {
    value->set_quant(std::nullopt);
    const std::vector<ir::Use> uses(value->uses().begin(), value->uses().end());
    NodeMaker maker(graph, *value->node().next());
    ir::Value& rounded = build_grid(maker, *value, *step, {.low = {group.low}, .high = {group.high}}, {});
    for (const ir::Use& use : uses) graph.set_input(*use.node, use.index, &rounded);
  }
}

}  // namespace edgesmith::train
