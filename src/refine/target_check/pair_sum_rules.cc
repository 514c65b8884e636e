// SPDX-License-Identifier: Apache-2.0
// Where products of unsigned activations and signed weights are added in pairs of 16 bits (vpmaddubsw), two weights of
// one sign can overflow when both activations are large:
//
//   255 * (a + b) <= 32767   needs   a + b <= 128;      255 * (a + b) >= -32768   needs   a + b >= -128
//
// Weights of unlike signs never overflow: the worst case is one activation at 255 and the other at 0. Which weights
// meet depends on the kernel, so a channel is unsafe when any two of its weights could overflow. Pairs are counted too,
// in the usual order: neighbours where input channels lie innermost.
#include <algorithm>

#include "edgesmith/base/text.h"
#include "edgesmith/ops/op_info.h"
#include "refine/target_check/rules.h"

namespace edgesmith::refine {
namespace {

constexpr int32_t kPairLimit = 128;

/// The weights of one output channel after another, each in the order in which a kernel sums them.
struct Rows {
  int64_t channels = 1, width = 0;
  std::vector<int32_t> codes;
};

Rows rows_of(const ir::Node& node, const ir::Value& weight) {
  const std::vector<int32_t> codes = weight_codes_of(weight);
  const ir::Dims& dims = weight.constant()->dims();
  if (dims.empty() || codes.empty()) return {};
  const int facts_axis = ops::quant_facts(node).weight_axis;
  const auto axis = static_cast<size_t>(facts_axis < 0 ? facts_axis + static_cast<int>(dims.size()) : facts_axis);
  Rows rows;
  rows.channels = dims[axis];
  rows.width = static_cast<int64_t>(codes.size()) / rows.channels;
  int64_t inner = 1;
  for (size_t d = axis + 1; d < dims.size(); ++d) inner *= dims[d];
  // A Conv's row is [input channels, taps]; the kernels sum the channels of one tap after another.
  const int64_t taps = node.is(ir::OpKind::conv) ? rows.width / std::max<int64_t>(1, dims[1]) : 1;
  for (int64_t channel = 0; channel < rows.channels; ++channel) {
    for (int64_t k = 0; k < rows.width; ++k) {
      const int64_t depth = rows.width / taps, at = k % depth * taps + k / depth;
      rows.codes.push_back(codes[static_cast<size_t>((at / inner * rows.channels + channel) * inner + at % inner)]);
    }
  }
  return rows;
}

bool overflows(int32_t a, int32_t b) { return a + b > kPairLimit || a + b < -kPairLimit; }

/// True when two weights of the row can overflow together.
bool is_unsafe(std::span<const int32_t> row) {
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
  return overflows(largest[0], largest[1]) || overflows(least[0], least[1]);
}

PairSums count(const Rows& rows) {
  PairSums sums{.layers = 1, .channels = rows.channels};
  for (int64_t channel = 0; channel < rows.channels; ++channel) {
    const std::span<const int32_t> row(rows.codes.data() + channel * rows.width, static_cast<size_t>(rows.width));
    sums.unsafe_channels += is_unsafe(row) ? 1 : 0;
    for (size_t k = 0; k + 1 < row.size(); k += 2) {
      ++sums.pairs;
      sums.unsafe_pairs += overflows(row[k], row[k + 1]) ? 1 : 0;
    }
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
  if (target.pair_rule == targets::PairRule::none) return;
  for (const ir::Node& node : graph.nodes()) {
    const ir::Value* weight = coded_weight(node);
    if (weight == nullptr || weight_quant_of(*weight).dtype != ir::DType::i8 || !sums_codes(node)) continue;
    const PairSums sums = count(rows_of(node, *weight));
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
                    "two weights of a channel sum to at most " + std::to_string(kPairLimit),
                    "requantize the float model with --target " + target.name + ", which bounds the weights");
  }
}

}  // namespace edgesmith::refine
