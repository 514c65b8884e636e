// SPDX-License-Identifier: Apache-2.0
#include "refine/broken_weights.h"

#include <algorithm>
#include <cmath>
#include <unordered_set>
#include <vector>

#include "edgesmith/ops/op_info.h"

namespace edgesmith::refine {
namespace {

/// Stored numbers that make a tensor: of codes with scales (which the verifier sees to) none.
const ir::Tensor* stored_numbers(const ir::Tensor& tensor) {
  if (tensor.encoding() == ir::Encoding::affine) return nullptr;
  if (tensor.as_palette() != nullptr) return &tensor.codebooks();
  return tensor.encoding() == ir::Encoding::sparse ? &tensor.codes() : &tensor;
}

/// Calls visit(node, numbers) for every constant weight and bias of a layer, of floats, until it returns true.
template <typename Visit>
void visit_weights(const ir::Graph& graph, const Visit& visit) {
  for (const ir::Node& node : graph.nodes()) {
    if (node.is(ir::OpKind::opaque)) continue;
    const ops::QuantFacts facts = ops::quant_facts(node);
    for (const int operand : {facts.weight_operand, facts.bias_operand}) {
      if (operand < 0 || operand >= node.num_inputs() || node.input(operand) == nullptr) continue;
      const ir::Tensor* constant = node.input(operand)->constant();
      const ir::Tensor* numbers = constant != nullptr ? stored_numbers(*constant) : nullptr;
      if (numbers == nullptr || !ir::is_float(numbers->dtype())) continue;
      if (visit(*node.input(operand), node, *numbers)) return;
    }
  }
}

bool is_broken(const ir::Tensor& numbers) {
  return !std::ranges::all_of(numbers.to_floats(), [](float number) { return std::isfinite(number); });
}

}  // namespace

std::string find_broken_weight(const ir::Graph& before, const ir::Graph& after) {
  std::unordered_set<const std::byte*> known;
  visit_weights(before, [&](const ir::Value&, const ir::Node&, const ir::Tensor& numbers) {
    known.insert(numbers.bytes().data());
    return false;
  });
  std::string sentence;
  visit_weights(after, [&](const ir::Value& weight, const ir::Node& node, const ir::Tensor& numbers) {
    if (!known.insert(numbers.bytes().data()).second || !is_broken(numbers)) return false;
    sentence = "weight '" + weight.name() + "' of " + node.label() + " holds NaN or infinity";
    return true;
  });
  if (sentence.empty()) return sentence;
  bool was_broken = false;
  visit_weights(before, [&](const ir::Value&, const ir::Node&, const ir::Tensor& numbers) {
    return was_broken = is_broken(numbers);
  });
  return was_broken ? "" : sentence;
}

}  // namespace edgesmith::refine
