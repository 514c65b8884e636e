// SPDX-License-Identifier: Apache-2.0
#include "passes/convert/ranges.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "edgesmith/ir/structural.h"
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

std::string beyond(double reach, const char* what) {
  char text[96];
  std::snprintf(text, sizeof text, "%s %.4g, float16 ends at %.0f", what, reach, kLargestHalf);
  return text;
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
        const bool is_constant = operand->constant() != nullptr;
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
      wanted[index_of(node.output(i))] = node.output(i).type().dtype == ir::DType::f32;
    }
  }
  auto runner = quantize::Runner::create(graph, stream.num_threads(), {.observed = wanted});
  if (!runner) return runner.error();
  std::vector<std::vector<double>> reaches(static_cast<size_t>(stream.num_threads()),
                                           std::vector<double>(reasons.size(), 0.0));  // maxima commute
  const auto work = [&](const quantize::Stream::Batch& batch) -> Status {
    const runtime::Observer look = [&](const ir::Value& value, const ir::Tensor& tensor) {
      if (tensor.dtype() != ir::DType::f32) return;
      const ir::Tensor dense = tensor.dense();
      double& most = reaches[static_cast<size_t>(batch.thread)][index_of(value)];
      most = std::max(most, reach_of(dense.data<float>()));
    };
    auto outputs = runner->run(batch, &look);
    return outputs ? Status() : Status(outputs.error());
  };
  EDGESMITH_TRY(stream.run("look at ranges", work));
  for (size_t id = 0; id < reasons.size(); ++id) {
    double most = 0;
    for (const auto& own : reaches) most = std::max(most, own[id]);
    if (most > kSeenShare * kLargestHalf) reasons[id] = beyond(most, "reaches");
  }
  return {};
}

}  // namespace

Result<std::vector<std::string>> find_beyond_half(const ir::Graph& graph, PassContext& context) {
  std::vector<std::string> reasons(static_cast<size_t>(graph.num_value_ids()));
  for (const ir::Node& node : graph.nodes()) {
    if (!node.is(OpKind::constant) || node.tensor().dtype() != ir::DType::f32) continue;
    const double reach = reach_of(node.tensor().to_floats());
    if (reach > kLargestHalf) reasons[index_of(node.output())] = beyond(reach, "holds");
  }
  if (context.calib != nullptr && context.calib->size() > 0) {
    EDGESMITH_TRY(observe(graph, context, reasons));
  } else {
    follow_constants(graph, reasons);
  }
  return reasons;
}

}  // namespace edgesmith::passes::convert
