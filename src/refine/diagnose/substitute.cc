// SPDX-License-Identifier: Apache-2.0
#include "refine/diagnose/substitute.h"

#include <map>

#include "edgesmith/base/check.h"
#include "edgesmith/ir/structural.h"

namespace edgesmith::refine::diagnose {
namespace {

class Substitution {
 public:
  Substitution(const ir::Graph& host, const ir::Graph& donor, const Counterparts& counterparts,
               const std::vector<bool>& chosen)
      : graph_(host.clone()), counterparts_(counterparts), chosen_(chosen) {
    donor_nodes_.assign(at(donor.num_node_ids()), nullptr);
    for (const ir::Node& node : donor.nodes()) donor_nodes_[at(node.id())] = &node;
    host_values_.assign(at(host.num_value_ids()), nullptr);
    for (ir::Node& node : graph_.nodes()) {
      for (int i = 0; i < node.num_outputs(); ++i) host_values_[at(node.output(i).id())] = &node.output(i);
    }
  }

  ir::Graph run() {
    for (ir::Node* node : nodes()) replace(*node);
    sweep();
    return std::move(graph_);
  }

  Twins run_beside() {
    Twins twins{.graph = {}, .twin_value = std::vector<int>(host_values_.size(), -1)};
    for (ir::Node* node : nodes()) {
      position_ = node;
      const ir::Node& donor = *donor_nodes_[at(counterparts_.donor_node[at(node->id())])];
      const auto known = copies_.find(donor.id());
      ir::Value& made = (known != copies_.end() ? *known->second : copy_node(donor)).output();
      made.set_quant(std::nullopt);
      twins.twin_value[at(node->output().id())] = made.id();
    }
    twins.graph = std::move(graph_);
    return twins;
  }

 private:
  std::vector<ir::Node*> nodes() {
    std::vector<ir::Node*> nodes;
    for (ir::Node& node : graph_.nodes()) {
      if (is_chosen(node) && counterparts_.donor_node[at(node.id())] >= 0) nodes.push_back(&node);
    }
    return nodes;
  }

  bool is_chosen(const ir::Node& node) const {
    return at(node.id()) < chosen_.size() && chosen_[at(node.id())] && !ir::is_structural(node);
  }

  void replace(ir::Node& node) {
    const ir::Node& donor = *donor_nodes_[at(counterparts_.donor_node[at(node.id())])];
    position_ = &node;
    // Several nodes may have one counterpart (a clamp that vanished into codes): the first makes what all of them do.
    const auto known = copies_.find(donor.id());
    const bool again = known != copies_.end() && known->second->num_outputs() == 1 && node.num_outputs() == 1;
    if (again) return pass_on(node.output(), known->second->output());
    ir::Node& twin = copy_node(donor);
    for (int i = 0; i < node.num_outputs() && i < twin.num_outputs(); ++i) pass_on(node.output(i), twin.output(i));
  }

  /// `value` as `dtype`, where both are floats: models may compute in different ones.
  ir::Value* as(ir::Value* value, ir::DType dtype) {
    const ir::DType own = value->type().dtype;
    if (own == dtype || !ir::is_float(own) || !ir::is_float(dtype)) return value;
    ir::Node& cast = graph_.insert_before(*position_, ir::OpKind::cast, {value});
    cast.attributes().set("to", static_cast<int64_t>(dtype));
    ir::Type type = value->type();
    type.dtype = dtype;
    cast.output().set_type(std::move(type));
    return &cast.output();
  }

  /// Readers of `old` read `made` instead; those on codes still see the codes of `old` where `made` has none.
  void pass_on(ir::Value& old, ir::Value& result) {
    ir::Value& made = *as(&result, old.type().dtype);
    if (made.name().empty()) made.set_name(old.name());
    ir::Value* rounded = nullptr;
    const std::vector<ir::Use> uses(old.uses().begin(), old.uses().end());
    for (const ir::Use& use : uses) {
      const bool wants_codes = old.quant() && !made.quant() && !is_chosen(*use.node) &&
                               !use.node->is(ir::OpKind::output) && works_on_codes(*use.node);
      if (wants_codes && rounded == nullptr) {
        rounded = &graph_.insert_before(*position_, ir::OpKind::identity, {&made}).output();
        rounded->set_type(old.type());
        rounded->set_quant(old.quant());
      }
      graph_.set_input(*use.node, use.index, wants_codes ? rounded : &made);
    }
    current_[old.id()] = &made;
  }

  ir::Value* copy_value(const ir::Value* value) {
    if (value == nullptr) return nullptr;
    const int host = counterparts_.host_value[at(value->id())];
    if (host >= 0 && value->constant() == nullptr) {
      const auto replaced = current_.find(host);
      return as(replaced != current_.end() ? replaced->second : host_values_[at(host)], value->type().dtype);
    }
    if (value->constant() != nullptr) {
      ir::Value*& constant = constants_[value->id()];
      if (constant == nullptr) {
        constant = &graph_.add_constant(*value->constant(), value->name());
        constant->foreign = value->foreign;
      }
      return constant;
    }
    const auto known = copies_.find(value->node().id());
    ir::Node& twin = known != copies_.end() ? *known->second : copy_node(value->node());
    return &twin.output(value->index());
  }

  ir::Node& copy_node(const ir::Node& donor) {
    std::vector<ir::Value*> inputs;
    for (int i = 0; i < donor.num_inputs(); ++i) inputs.push_back(copy_value(donor.input(i)));
    ir::Node& twin = graph_.insert_before(*position_, donor.op(), inputs, donor.num_outputs());
    twin.set_name(donor.name());
    twin.attributes() = donor.attributes();
    twin.doc = donor.doc;
    twin.foreign = donor.foreign;
    twin.opaque_op = donor.opaque_op;
    twin.subgraphs = donor.subgraphs;
    for (int i = 0; i < donor.num_outputs(); ++i) {
      twin.output(i).set_name(donor.output(i).name());
      twin.output(i).set_type(donor.output(i).type());
      twin.output(i).set_quant(donor.output(i).quant());
      twin.output(i).foreign = donor.output(i).foreign;
    }
    copies_[donor.id()] = &twin;
    return twin;
  }

  /// What nobody reads any more goes.
  void sweep() {
    std::vector<ir::Node*> nodes;
    for (ir::Node& node : graph_.nodes()) nodes.push_back(&node);
    for (auto node = nodes.rbegin(); node != nodes.rend(); ++node) {
      if ((*node)->is(ir::OpKind::input) || (*node)->is(ir::OpKind::output)) continue;
      bool unused = true;
      for (int i = 0; i < (*node)->num_outputs(); ++i) unused = unused && (*node)->output(i).unused();
      if (unused) graph_.erase(**node);
    }
  }

  ir::Graph graph_;
  const Counterparts& counterparts_;
  const std::vector<bool>& chosen_;
  std::vector<const ir::Node*> donor_nodes_;
  std::vector<ir::Value*> host_values_;
  std::map<int, ir::Value*> current_, constants_;  // by id of the host's value, and of the donor's
  std::map<int, ir::Node*> copies_;                // by id of the donor's node
  ir::Node* position_ = nullptr;
};

}  // namespace

bool works_on_codes(const ir::Node& node) {
  for (int i = 0; i < node.num_outputs(); ++i) {
    if (node.output(i).quant()) return true;
  }
  for (int i = 0; i < node.num_inputs(); ++i) {
    const ir::Tensor* tensor = node.input(i) != nullptr ? node.input(i)->constant() : nullptr;
    if (tensor != nullptr && tensor->encoding() == ir::Encoding::affine) return true;
  }
  return false;
}

ir::Graph substitute(const ir::Graph& host, const ir::Graph& donor, const Counterparts& counterparts,
                     const std::vector<bool>& chosen) {
  return Substitution(host, donor, counterparts, chosen).run();
}

Twins add_twins(const ir::Graph& host, const ir::Graph& donor, const Counterparts& counterparts,
                const std::vector<bool>& chosen) {
  return Substitution(host, donor, counterparts, chosen).run_beside();
}

}  // namespace edgesmith::refine::diagnose
