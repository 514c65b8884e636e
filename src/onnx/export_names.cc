// SPDX-License-Identifier: Apache-2.0
#include "onnx/export_names.h"

#include <algorithm>

#include "onnx/foreign.h"
#include "onnx/subgraph.h"

namespace edgesmith::onnx {
namespace {

/// Its name is part of the model's interface.
bool has_fixed_name(const ir::Value& value) { return value.is_graph_input() || overridable(value.node()) != nullptr; }

/// Something inside of a node reads it from there.
bool is_captured(const ir::Value& value) {
  return std::any_of(value.uses().begin(), value.uses().end(), [](const ir::Use& use) {
    const auto* opaque = foreign_as<OpaqueForeign>(use.node->foreign);
    return opaque != nullptr && use.index >= opaque->num_inputs;
  });
}

}  // namespace

const ConstantForeign* overridable(const ir::Node& node) {
  if (!node.is(ir::OpKind::constant) || node.output().quant()) return nullptr;
  const auto* foreign = foreign_as<ConstantForeign>(node.foreign);
  if (foreign == nullptr || foreign->origin != ConstantForeign::Origin::overridable) return nullptr;
  const bool original = !foreign->original || (foreign->original->uses == node.output().uses().size() &&
                                               node.tensor().identical_to(foreign->original->value));
  return original ? foreign : nullptr;
}

ExportNames::ExportNames(const ir::Graph& graph)
    : written_(static_cast<size_t>(graph.num_value_ids())),
      read_(written_.size()),
      results_(graph.output_names()),
      needs_identity_(results_.size(), false) {
  name_all(graph);
}

ExportNames::ExportNames(const ir::Graph& body, std::span<const std::string> captured, ExportNames& outer)
    : written_(static_cast<size_t>(body.num_value_ids())),
      read_(written_.size()),
      results_(body.output_names()),
      needs_identity_(results_.size(), false),
      outer_(&outer) {
  const std::vector<ir::Value*> formals = body.inputs();
  const size_t own = formals.size() - captured.size();
  for (size_t i = 0; i < captured.size(); ++i) slot(written_, *formals[own + i]) = captured[i];
  // Results of a body go by their places: one that has the name of a value outside gets another.
  for (std::string& result : results_) {
    if (is_visible_outside(result)) result.clear();
  }
  name_all(body);
}

void ExportNames::name_all(const ir::Graph& graph) {
  for (const ir::Node& node : graph.nodes()) {
    const auto* opaque = foreign_as<OpaqueForeign>(node.foreign);
    if (opaque == nullptr) continue;
    if (const auto view = parse_node(opaque->message); view.ok()) collect_inner_names(*view, inner_);
  }
  name_inputs(graph);
  name_results(graph);
  claim_source_names(graph);
}

bool ExportNames::is_visible_outside(const std::string& name) const {
  for (const ExportNames* around = outer_; around != nullptr; around = around->outer_) {
    if (around->defined_.count(name) != 0) return true;
  }
  return false;
}

bool ExportNames::claim(const std::string& name, const ir::Value* value) {
  if (is_visible_outside(name)) return false;
  if (inner_.count(name) != 0 && (value == nullptr || (is_captured(*value) && !has_fixed_name(*value)))) return false;
  if (!used_.insert(name).second) return false;
  defined_.insert(name);
  for (ExportNames* around = outer_; around != nullptr; around = around->outer_) around->inner_.insert(name);
  return true;
}

std::string ExportNames::fresh() {
  if (outer_ != nullptr) {
    std::string name = outer_->fresh();  // unlike every name of the file
    used_.insert(name);
    defined_.insert(name);
    return name;
  }
  constexpr std::string_view kDigits = "0123456789abcdefghijklmnopqrstuvwxyz";
  while (true) {
    std::string name;
    for (uint64_t rest = next_++;; rest /= 36) {
      name.insert(name.begin(), kDigits[rest % 36]);
      if (rest < 36) break;
    }
    if (claim(name, nullptr)) return name;
  }
}

void ExportNames::name_inputs(const ir::Graph& graph) {
  for (const ir::Node& node : graph.nodes()) {
    for (int i = 0; i < node.num_outputs(); ++i) {
      const ir::Value& value = node.output(i);
      if (!has_fixed_name(value) || value.name().empty() || !slot(written_, value).empty()) continue;
      if (!claim(value.name(), &value)) continue;
      slot(written_, value) = value.name();
    }
  }
}

void ExportNames::name_results(const ir::Graph& graph) {
  std::set<std::string> done, made;
  for (std::string& name : results_) {
    if (name.empty()) made.insert(name = fresh());
  }
  for (int i = 0; i < graph.num_outputs(); ++i) {
    const ir::Value& value = *graph.output_node().input(i);
    const std::string& name = result(i);
    std::string& taken = slot(has_two(value) ? read_ : written_, value);
    if (!done.insert(name).second) continue;  // the same result listed twice
    if (taken == name) continue;
    if (taken.empty() && (has_two(value) || !has_fixed_name(value)) && (made.count(name) != 0 || claim(name, &value))) {
      taken = name;
    } else {
      claim(name, nullptr);
      needs_identity_[static_cast<size_t>(i)] = true;
    }
  }
}

void ExportNames::claim_source_names(const ir::Graph& graph) {
  for (const ir::Node& node : graph.nodes()) {
    for (int i = 0; i < node.num_outputs(); ++i) {
      const ir::Value& value = node.output(i);
      // The source's name of an affine constant belongs to its reals.
      std::string& name = slot(has_two(value) && value.constant() != nullptr ? read_ : written_, value);
      if (name.empty() && !value.name().empty() && claim(value.name(), &value)) name = value.name();
    }
  }
}

const std::string& ExportNames::written(const ir::Value& value) {
  std::string& name = slot(written_, value);
  if (name.empty()) name = fresh();
  return name;
}

const std::string& ExportNames::read(const ir::Value& value) {
  if (!has_two(value)) return written(value);
  std::string& name = slot(read_, value);
  if (name.empty()) name = fresh();
  return name;
}

}  // namespace edgesmith::onnx
