// SPDX-License-Identifier: Apache-2.0
//   seconds = max(cycles / clock, bytes / bandwidth) + time to start a node
//   cycles  = MACs / (MACs per cycle * share * cores) + elements * cycles per element / cores
//
// Elements are the outputs of operators without multiply-accumulates, and of integer ones, which requantize each.
#include "edgesmith/passes/node_cost.h"

#include <algorithm>
#include <array>

#include "edgesmith/ir/structural.h"
#include "edgesmith/ops/op_info.h"

namespace edgesmith::passes {
namespace {

using ir::OpKind;
using targets::Work;

// A convolution that reads the picture itself: too few channels to fill a vector.
constexpr int64_t kFewChannels = 4;

/// What does the like of an operator, for targets that compute only the second on integers.
constexpr std::array<std::pair<OpKind, OpKind>, 8> kLike = {{{OpKind::div, OpKind::mul},
                                                             {OpKind::gelu, OpKind::relu},
                                                             {OpKind::global_max_pool, OpKind::max_pool},
                                                             {OpKind::hard_sigmoid, OpKind::sigmoid},
                                                             {OpKind::hard_swish, OpKind::relu},
                                                             {OpKind::prelu, OpKind::leaky_relu},
                                                             {OpKind::reduce_mean, OpKind::global_average_pool},
                                                             {OpKind::sub, OpKind::add}}};

/// Operators whose result has the bytes of their operand.
constexpr std::array<OpKind, 6> kRenamers = {OpKind::flatten, OpKind::identity, OpKind::reshape,
                                             OpKind::shape,   OpKind::squeeze,  OpKind::unsqueeze};

// More elements than any device holds; keeps sums of bytes within 64 bits.
constexpr int64_t kMostElements = int64_t{1} << 50;

int64_t elements_of(const ir::Value& value) {
  int64_t elements = 1;
  if (!value.type().shape) return elements;
  for (const ir::Dim& dim : *value.type().shape) {
    if (!dim.known()) continue;
    const bool overflows = __builtin_mul_overflow(elements, dim.value(), &elements);
    if (overflows || elements > kMostElements) elements = kMostElements;
  }
  return elements;
}

int64_t bytes_of(const ir::Value& value) {
  const ir::DType dtype = value.quant() ? value.quant()->dtype : value.type().dtype;
  return ir::packed_bytes(elements_of(value), ir::dtype_bits(dtype));
}

bool is_clamp(const ir::Node& node) { return node.is(OpKind::relu) || node.is(OpKind::clip); }

bool is_renamer(const ir::Node& node) {
  return std::find(kRenamers.begin(), kRenamers.end(), node.op()) != kRenamers.end();
}

/// True for what a runtime does ahead of time or as part of another operator.
bool is_free(const ir::Node& node) {
  if (ir::is_structural(node) || node.is(OpKind::quantize_linear) || node.is(OpKind::dequantize_linear)) return true;
  if (is_renamer(node)) return true;
  if (is_clamp(node)) {
    const ir::Node* before = &node.input(0)->node();
    while (is_renamer(*before)) before = &before->input(0)->node();
    return !ir::is_structural(*before) && node.input(0)->uses().size() == 1;
  }
  for (int i = 0; i < node.num_inputs(); ++i) {
    if (node.input(i) != nullptr && node.input(i)->constant() == nullptr) return false;
  }
  return true;
}

/// Operands and results carry codes (a result behind a clamp has them there).
bool computes_codes(const ir::Node& node, const targets::Target& target) {
  if (!target.runs_integer(node.op())) return false;
  const ops::QuantFacts facts = ops::quant_facts(node);
  return std::any_of(facts.data_operands.begin(), facts.data_operands.end(), [&](int i) {
    const ir::Value* operand = node.input(i);
    return operand != nullptr && operand->constant() == nullptr && operand->quant().has_value();
  });
}

Work work_of(const ir::Node& node) {
  if (node.is(OpKind::conv) || node.is(OpKind::conv_transpose)) {
    const int64_t groups = node.attributes().get_int("group", 1);
    const auto dims = node.input(1)->type().static_dims();
    if (!dims || dims->size() < 2) return Work::conv;
    if (groups > 1 && (*dims)[1] == 1) return Work::depthwise;
    return (*dims)[1] * groups <= kFewChannels ? Work::first : Work::conv;
  }
  const auto& shape = node.output().type().shape;
  const bool has_columns = shape && !shape->empty() && shape->back().known();
  return has_columns && elements_of(node.output()) == shape->back().value() ? Work::dense : Work::conv;
}

class Estimator {
 public:
  Estimator(const ir::Graph& graph, const targets::Target& target) : graph_(graph), target_(target) {}

  CostEstimate run() {
    for (const ir::Node& node : graph_.nodes()) {
      if (!is_free(node)) add(node);
    }
    sum();
    std::stable_sort(estimate_.nodes.begin(), estimate_.nodes.end(),
                     [](const NodeCost& a, const NodeCost& b) { return a.share > b.share; });
    return std::move(estimate_);
  }

 private:
  void add(const ir::Node& node) {
    const targets::Device& device = target_.device;
    NodeCost cost{.node = &node, .integer = computes_codes(node, target_), .macs = ops::cost_of(node).macs};
    const targets::Speed& speed = cost.integer ? device.i8 : device.f32;
    const auto cores = static_cast<double>(device.cores);
    if (cost.macs > 0 && speed.macs_per_cycle) {
      cost.work = work_of(node);
      const auto& share = speed.share[static_cast<size_t>(*cost.work)];
      estimate_.lower_bound = estimate_.lower_bound || !share;
      cost.cycles = static_cast<double>(cost.macs) / (*speed.macs_per_cycle * share.value_or(1) * cores);
    }
    if (device.cycles_per_element && (cost.macs == 0 || cost.integer)) {
      for (int i = 0; i < node.num_outputs(); ++i) {
        cost.cycles += static_cast<double>(elements_of(node.output(i))) * *device.cycles_per_element / cores;
      }
    }
    cost.bytes = memory_traffic(node);
    const double memory = device.bandwidth ? static_cast<double>(cost.bytes) / *device.bandwidth : 0;
    if (device.clock_hz) {
      const double arithmetic = cost.cycles / *device.clock_hz;
      cost.memory_bound = memory > arithmetic;
      cost.seconds = std::max(arithmetic, memory) + device.node_seconds.value_or(0);
      if (device.watts) cost.joules = *cost.seconds * *device.watts;
    }
    for (const auto& [op, like] : kLike) {
      if (node.is(op) && !target_.runs_integer(op) && target_.runs_integer(like)) cost.cheaper = ir::onnx_name(like);
    }
    estimate_.nodes.push_back(std::move(cost));
  }

  // Weights once; activations where they do not fit half of the last cache (the other half is for weights).
  int64_t memory_traffic(const ir::Node& node) const {
    int64_t weights = 0, activations = 0;
    for (int i = 0; i < node.num_inputs(); ++i) {
      const ir::Value* value = node.input(i);
      if (value == nullptr) continue;
      if (value->constant() != nullptr) {
        weights += value->constant()->stored_bytes();
      } else {
        activations += bytes_of(*value);
      }
    }
    for (int i = 0; i < node.num_outputs(); ++i) activations += bytes_of(behind_clamp(node.output(i)));
    const auto& caches = target_.device.cache_bytes;
    const bool stays = !caches.empty() && activations <= caches.back() / 2;
    return weights + (stays ? 0 : activations);
  }

  static const ir::Value& behind_clamp(const ir::Value& value) {
    const bool clamped = value.uses().size() == 1 && is_clamp(*value.uses()[0].node) && value.uses()[0].index == 0;
    return clamped ? value.uses()[0].node->output() : value;
  }

  void sum() {
    double seconds = 0, joules = 0, cycles = 0;
    for (const NodeCost& cost : estimate_.nodes) {
      seconds += cost.seconds.value_or(0);
      joules += cost.joules.value_or(0);
      cycles += cost.cycles;
    }
    if (target_.device.clock_hz) estimate_.seconds = seconds;
    if (target_.device.clock_hz && target_.device.watts) estimate_.joules = joules;
    for (NodeCost& cost : estimate_.nodes) {
      const double whole = estimate_.seconds ? seconds : cycles;
      if (whole > 0) cost.share = (estimate_.seconds ? *cost.seconds : cost.cycles) / whole;
    }
  }

  const ir::Graph& graph_;
  const targets::Target& target_;
  CostEstimate estimate_;
};

}  // namespace

CostEstimate estimate_costs(const ir::Graph& graph, const targets::Target& target) {
  return Estimator(graph, target).run();
}

}  // namespace edgesmith::passes
