// SPDX-License-Identifier: Apache-2.0
// Where products of unsigned activations and signed weights are added in pairs of 16 bits (ops/pair_sums.h), two
// weights of one sign can overflow when both activations are large. Which weights meet depends on the kernel: a profile
// says whether the usual neighbours are meant, or any two weights of a channel.
#include <algorithm>

#include "edgesmith/base/text.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/ops/pair_sums.h"
#include "refine/target_check/rules.h"

namespace edgesmith::refine {
namespace {

using targets::PairRule;

/// The weights of one output channel after another, each as it is stored: [channels, taps].
struct Rows {
  int64_t rows = 1, width = 0, taps = 1;
  std::vector<int32_t> codes;

  std::span<const int32_t> row(int64_t index) const {
    return std::span(codes).subspan(static_cast<size_t>(index * width), static_cast<size_t>(width));
  }
};

Rows rows_of(const ir::Node& node, const ir::Value& weight) {
  const std::vector<int32_t> codes = weight_codes_of(weight);
  const ir::Dims& dims = weight.constant()->dims();
  if (dims.empty() || codes.empty()) return {};
  const int facts_axis = ops::quant_facts(node).weight_axis;
  const auto axis = static_cast<size_t>(facts_axis < 0 ? facts_axis + static_cast<int>(dims.size()) : facts_axis);
  Rows rows;
  rows.rows = dims[axis];
  rows.width = static_cast<int64_t>(codes.size()) / rows.rows;
  int64_t inner = 1;
  for (size_t d = axis + 1; d < dims.size(); ++d) inner *= dims[d];
  if (node.is(ir::OpKind::conv)) rows.taps = rows.width / std::max<int64_t>(1, dims[1]);
  for (int64_t row = 0; row < rows.rows; ++row) {
    for (int64_t k = 0; k < rows.width; ++k) {
      rows.codes.push_back(codes[static_cast<size_t>((k / inner * rows.rows + row) * inner + k % inner)]);
    }
  }
  return rows;
}

/// True when two weights of the row can overflow together.
bool any_two_overflow(std::span<const int32_t> row) {
  int32_t largest[2] = {0, 0}, least[2] = {0, 0};
  for (const int32_t code : row) {
    if (code > largest[0]) {
      largest[1] = largest[0];
      largest[0] = code;
    } else {
      largest[1] = std::max(largest[1], code);
    }
    if (code < least[0]) {
      least[1] = least[0];
      least[0] = code;
    } else {
      least[1] = std::min(least[1], code);
    }
  }
  return ops::pair_overflows(largest[0], largest[1]) || ops::pair_overflows(least[0], least[1]);
}

PairSums count(const Rows& rows, PairRule rule) {
  const auto pairs = ops::summed_pairs(rows.width / rows.taps, rows.taps);
  PairSums sums{.layers = 1, .channels = rows.rows};
  for (int64_t index = 0; index < rows.rows; ++index) {
    const auto row = rows.row(index);
    int64_t unsafe = 0;
    for (const auto& [a, b] : pairs) {
      unsafe += ops::pair_overflows(row[static_cast<size_t>(a)], row[static_cast<size_t>(b)]) ? 1 : 0;
    }
    sums.pairs += static_cast<int64_t>(pairs.size());
    sums.unsafe_pairs += unsafe;
    const bool neighbours = rule == PairRule::neighbours_to_128;
    sums.unsafe_channels += (neighbours ? unsafe > 0 : any_two_overflow(row)) ? 1 : 0;
  }
  sums.unsafe_layers = sums.unsafe_channels > 0 ? 1 : 0;
  return sums;
}

// Weight-only models compute on floats: a layer sums pairs when its input has codes.
bool sums_codes(const ir::Node& node) {
  const ops::QuantFacts facts = ops::quant_facts(node);
  return std::any_of(facts.data_operands.begin(), facts.data_operands.end(), [&](int i) {
    const ir::Value* operand = node.input(i);
    return operand != nullptr && operand->constant() == nullptr && operand->quant();
  });
}

}  // namespace

void check_pair_sums(const ir::Graph& graph, const targets::Target& target, Findings& findings) {
  if (target.pair_rule == PairRule::none) return;
  const bool neighbours = target.pair_rule == PairRule::neighbours_to_128;
  for (const ir::Node& node : graph.nodes()) {
    const ir::Value* weight = coded_weight(node);
    if (weight == nullptr || weight_quant_of(*weight).dtype != ir::DType::i8 || !sums_codes(node)) continue;
    if (neighbours && !ops::adds_pairs(node)) continue;
    const PairSums sums = count(rows_of(node, *weight), target.pair_rule);
    PairSums& all = findings.check.pairs;
    all.layers += sums.layers;
    all.unsafe_layers += sums.unsafe_layers;
    all.channels += sums.channels;
    all.unsafe_channels += sums.unsafe_channels;
    all.pairs += sums.pairs;
    all.unsafe_pairs += sums.unsafe_pairs;
    if (sums.unsafe_channels == 0) continue;
    findings.refuse(&node, "saturation",
                    std::to_string(sums.unsafe_channels) + " of " + std::to_string(sums.channels) + " channels, " +
                        std::to_string(sums.unsafe_pairs) + " of " + std::to_string(sums.pairs) + " pairs",
                    std::string(neighbours ? "the weights of a pair" : "two weights of a channel") +
                        " sum to at most " + std::to_string(ops::kPairLimit),
                    "requantize the float model with --target " + target.name + ", which bounds the weights");
  }
}

}  // namespace edgesmith::refine
