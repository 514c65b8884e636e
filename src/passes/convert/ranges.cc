// SPDX-License-Identifier: Apache-2.0
#include "passes/convert/ranges.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "edgesmith/ir/structural.h"
#include "passes/convert/half_weights.h"
#include "passes/quantize/stream.h"

namespace edgesmith::passes::convert {
namespace {

using ir::OpKind;

size_t index_of(const ir::Value& value) { return static_cast<size_t>(value.id()); }

/// Largest magnitude among the finite numbers.
double reach_of(std::span<const float> numbers) {
  float most = 0;
  for (const float x : numbers) {
    if (std::isfinite(x)) most = std::max(most, std::abs(x));
  }
  return most;
}

double largest_of(ir::DType half) { return half == ir::DType::f16 ? 65504 : 0x1.FEp127; }

std::string beyond(double reach, const char* what, ir::DType to) {
  char text[96];
  std::snprintf(text, sizeof text, "%s %.4g, %s ends at %.5g", what, reach, long_name(to).data(), largest_of(to));
  return text;
}

/// Types with numbers that `to` lacks.
bool is_wider(ir::DType dtype, ir::DType to) {
  return dtype != to && (dtype == ir::DType::f32 || dtype == ir::DType::bf16);
}

/// The numbers that a node holds, or null.
const ir::Tensor* held_by(const ir::Node& node) {
  if (node.is(OpKind::constant)) return &node.tensor();
  const ir::Attribute* value = node.is(OpKind::constant_of_shape) ? node.attributes().find("value") : nullptr;
  return value != nullptr ? &std::get<ir::Tensor>(*value) : nullptr;
}

/// Operators whose result is small whatever they read.
bool brings_back(const ir::Node& node) {
  switch (node.op()) {
    case OpKind::softmax:
    case OpKind::sigmoid:
    case OpKind::hard_sigmoid:
    case OpKind::tanh:
    case OpKind::erf:
    case OpKind::clip:
    case OpKind::sign:
    case OpKind::sin:
    case OpKind::cos:
    case OpKind::layer_normalization:
    case OpKind::instance_normalization:
    case OpKind::batch_normalization: return true;
    default: return false;
  }
}

void follow_constants(const ir::Graph& graph, std::vector<std::string>& reasons) {
  for (const ir::Node& node : graph.nodes()) {
    if (ir::is_structural(node) || brings_back(node)) continue;
    for (int i = 0; i < node.num_inputs(); ++i) {
      const ir::Value* operand = node.input(i);
      if (operand == nullptr || reasons[index_of(*operand)].empty()) continue;
      for (int o = 0; o < node.num_outputs(); ++o) {
        std::string& reason = reasons[index_of(node.output(o))];
        const bool is_constant = held_by(operand->node()) != nullptr;
        if (reason.empty())
          reason = is_constant ? "computed from a constant that " + reasons[index_of(*operand)]
                               : reasons[index_of(*operand)];
      }
    }
  }
}

Status observe(const ir::Graph& graph, PassContext& context, std::vector<std::string>& reasons) {
  const quantize::Stream stream(*context.calib, graph, *context.pool, *context.progress);
  std::vector<bool> wanted(reasons.size(), false);
  for (const ir::Node& node : graph.nodes()) {
    if (node.is(OpKind::constant)) continue;
    for (int i = 0; i < node.num_outputs(); ++i) {
      wanted[index_of(node.output(i))] = is_wider(node.output(i).type().dtype, ir::DType::f16);
    }
  }
  auto runner = quantize::Runner::create(graph, stream.num_threads(), {.observed = wanted});
  if (!runner) return runner.error();
  std::vector<std::vector<double>> reaches(static_cast<size_t>(stream.num_threads()),
                                           std::vector<double>(reasons.size(), 0.0));  // maxima commute
  const auto work = [&](const quantize::Stream::Batch& batch) -> Status {
    const runtime::Observer look = [&](const ir::Value& value, const ir::Tensor& tensor) {
      if (!is_wider(tensor.dtype(), ir::DType::f16)) return;
      double& most = reaches[static_cast<size_t>(batch.thread)][index_of(value)];
      most = std::max(most, reach_of(tensor.to_floats()));
    };
    auto outputs = runner->run(batch, &look);
    return outputs ? Status() : Status(outputs.error());
  };
  EDGESMITH_TRY(stream.run("look at ranges", work));
  for (size_t id = 0; id < reasons.size(); ++id) {
    double most = 0;
    for (const auto& own : reaches) most = std::max(most, own[id]);
    if (most > kSeenShare * largest_of(ir::DType::f16)) reasons[id] = beyond(most, "reaches", ir::DType::f16);
  }
  return {};
}

/// Marks sums of codes as floats and the scales that belong to them: the first are thousands of times what they stand
/// for, the second as much less than one, until they are multiplied.
void mark_codes(const ir::Graph& graph, std::vector<std::string>& reasons) {
  const std::string kReason = "is a sum of codes or a scale of it";
  for (const ir::Node& node : graph.nodes()) {
    bool marked =
        node.is(OpKind::mat_mul_integer) || node.is(OpKind::conv_integer) || node.is(OpKind::dynamic_quantize_linear);
    const bool ends =
        node.is(OpKind::mul) || node.is(OpKind::div) || node.is(OpKind::dequantize_linear) || brings_back(node);
    for (int i = 0; i < node.num_inputs() && !ends && !ir::is_structural(node); ++i) {
      marked = marked || (node.input(i) != nullptr && reasons[index_of(*node.input(i))] == kReason);
    }
    for (int o = 0; o < node.num_outputs() && marked; ++o) {
      const ir::DType dtype = node.output(o).type().dtype;
      if (dtype == ir::DType::i32 || dtype == ir::DType::f32) reasons[index_of(node.output(o))] = kReason;
    }
  }
}

}  // namespace

Result<std::vector<std::string>> find_beyond(const ir::Graph& graph, ir::DType to, PassContext& context) {
  std::vector<std::string> reasons(static_cast<size_t>(graph.num_value_ids()));
  for (const ir::Node& node : graph.nodes()) {
    const ir::Tensor* held = held_by(node);
    if (held == nullptr || !is_wider(held->dtype(), to)) continue;
    const double reach = reach_of(held->to_floats());
    if (reach > largest_of(to)) reasons[index_of(node.output())] = beyond(reach, "holds", to);
  }
  if (to == ir::DType::f16 && context.calib != nullptr && context.calib->size() > 0) {
    EDGESMITH_TRY(observe(graph, context, reasons));
  } else {
    follow_constants(graph, reasons);
  }
  if (to == ir::DType::f16) mark_codes(graph, reasons);
  return reasons;
}

}  // namespace edgesmith::passes::convert
