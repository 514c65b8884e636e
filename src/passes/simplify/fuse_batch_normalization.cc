// SPDX-License-Identifier: Apache-2.0
// Folds a BatchNormalization with constant statistics into the Conv, ConvTranspose or Gemm before it.
//
//   %a = conv %x, %w, %b
//   %y = batch_normalization %a, %g, %beta, %m, %v      =>   %y = conv %x, w*s, (b-m)*s+beta     s = g / sqrt(v+eps)
//
// Computed in double. A weight that other layers read as well is left alone: a private copy would make the file bigger.
#include <cmath>

#include "passes/rewrite.h"
#include "passes/simplify/fuse_batch_normalization.h"

namespace edgesmith::passes {
namespace {

using ir::OpKind;

struct FoldedNorm {
  Layer layer;
  std::vector<double> factor, shift;
};

std::optional<FoldedNorm> match_norm(ir::Node& node) {
  if (!node.is(OpKind::batch_normalization) || node.num_outputs() != 1) return std::nullopt;
  ir::Node* producer = nullptr;
  for (const OpKind op : {OpKind::conv, OpKind::conv_transpose, OpKind::gemm}) {
    if (producer == nullptr) producer = sole_producer(node, 0, op);
  }
  if (producer == nullptr) return std::nullopt;
  auto layer = match_layer(*producer);
  if (!layer || layer->weight_shared) return std::nullopt;
  std::vector<double> statistics[4];  // scale, bias, mean, variance
  for (int i = 0; i < 4; ++i) {
    const ir::Tensor* tensor = plain_constant(node, i + 1);
    if (tensor == nullptr || tensor->dtype() != ir::DType::f32 || tensor->size() != layer->channels)
      return std::nullopt;
    const std::vector<float> numbers = tensor->to_floats();
    statistics[i].assign(numbers.begin(), numbers.end());
  }
  const double epsilon = node.attributes().get_float("epsilon", 1e-5f);
  FoldedNorm found{.layer = std::move(*layer)};
  for (size_t c = 0; c < statistics[0].size(); ++c) {
    const double factor = statistics[0][c] / std::sqrt(statistics[3][c] + epsilon);
    if (!std::isfinite(factor)) return std::nullopt;
    found.factor.push_back(factor);
    found.shift.push_back(statistics[1][c] - statistics[2][c] * factor);
  }
  return found;
}

Result<Change> run_fuse_batch_normalization(ir::Graph& graph, const Options&, PassContext&) {
  Change change = Change::none;
  for (ir::Node& node : graph.nodes()) {
    if (fuse_batch_normalization(graph, node)) change = Change::changed;
  }
  return change;
}

}  // namespace

bool fuse_batch_normalization(ir::Graph& graph, ir::Node& node) {
  const auto found = match_norm(node);
  if (!found) return false;
  scale_and_shift(graph, found->layer, found->factor, found->shift);
  replace_node(graph, node, found->layer.node->output());
  return true;
}

bool folds_into_layer(ir::Node& node) { return match_norm(node).has_value(); }

extern const PassInfo fuse_batch_normalization_pass = {
    "fuse-batch-normalization",
    "fold BatchNormalization into the Conv, ConvTranspose or Gemm before it",
    no_options,
    run_fuse_batch_normalization,
    false,
    false};

}  // namespace edgesmith::passes
