// SPDX-License-Identifier: Apache-2.0
#include "data/signature.h"

#include <algorithm>

namespace edgesmith::data {
namespace {

// An input has the batch axis when its first dim is like that of the others: free where any is free, else the same
// number (1 when any has 1, the usual batch of a fixed model).
void mark_batched(std::vector<ModelInput>& inputs) {
  bool any_free = false;
  int64_t batch = -1;
  for (const ModelInput& input : inputs) {
    if (!input.type.has_rank() || input.type.rank() == 0) continue;
    const ir::Dim& first = input.type.shape->front();
    any_free |= !first.known();
    if (first.known() && (batch == -1 || first.value() == 1)) batch = first.value();
  }
  for (ModelInput& input : inputs) {
    if (!input.type.has_rank()) continue;
    if (input.type.rank() == 0) {
      input.batched = false;
    } else if (const ir::Dim& first = input.type.shape->front(); first.known()) {
      input.batched = first.value() == 1 || (!any_free && first.value() == batch);
    }
  }
}

}  // namespace

std::vector<std::string> Signature::input_names() const {
  std::vector<std::string> names;
  for (const ModelInput& input : inputs) names.push_back(input.name);
  return names;
}

int Signature::first_batched() const {
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].batched) return static_cast<int>(i);
  }
  return -1;
}

int64_t Signature::num_classes() const {
  if (output_types.empty() || output_types[0].rank() != 2) return -1;
  return output_types[0].shape->back().value();
}

Signature signature_of(const ir::Graph& graph) {
  Signature signature;
  for (const ir::Value* input : graph.inputs()) signature.inputs.push_back({input->name(), input->type(), true});
  mark_batched(signature.inputs);
  signature.output_names = graph.output_names();
  for (int i = 0; i < graph.num_outputs(); ++i) {
    ir::Type type = graph.output_node().input(i)->type();
    if (static_cast<size_t>(i) < graph.declared_outputs.size()) {
      if (auto merged = ir::merge(type, graph.declared_outputs[static_cast<size_t>(i)])) type = *merged;
    }
    signature.output_types.push_back(std::move(type));
  }
  return signature;
}

bool fits(const ir::Dims& dims, const ir::Type& type, bool batched) {
  if (!type.has_rank()) return true;
  if (static_cast<int>(dims.size()) != type.rank()) return false;
  for (size_t i = batched ? 1 : 0; i < dims.size(); ++i) {
    const ir::Dim& dim = (*type.shape)[i];
    if (dim.known() && dim.value() != dims[i]) return false;
  }
  return true;
}

}  // namespace edgesmith::data
