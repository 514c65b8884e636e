// SPDX-License-Identifier: Apache-2.0
// Folds element-wise Mul, Div, Add and Sub with a constant per channel into the Conv, ConvTranspose or Gemm before it.
//
//   %a = conv %x, %w, %b
//   %y = mul %a, {k}           =>   %y = conv %x, w*k, b*k
//   %y = sub {k}, %a           =>   %y = conv %x, -w, k-b
//
// The constant must not broadcast the result to a larger shape. Weights that other layers read are not scaled.
#include <cmath>

#include "passes/rewrite.h"

namespace edgesmith::passes {
namespace {

using ir::OpKind;

struct AffineMatch {
  Layer layer;
  std::vector<double> factor, shift;  // an empty factor: weights stay
};

bool all_finite(const std::vector<double>& numbers) {
  for (const double x : numbers) {
    if (!std::isfinite(x)) return false;
  }
  return true;
}

std::optional<AffineMatch> match_affine(ir::Node& node) {
  const bool is_affine = node.is(OpKind::mul) || node.is(OpKind::div) || node.is(OpKind::add) || node.is(OpKind::sub);
  if (!is_affine) return std::nullopt;
  const int constant_index = node.input(1)->constant() != nullptr ? 1 : 0;
  const ir::Tensor* constant = plain_constant(node, constant_index);
  ir::Value& data = *node.input(1 - constant_index);
  if (constant == nullptr || (node.is(OpKind::div) && constant_index == 0)) return std::nullopt;
  ir::Node* producer = sole_producer(node, 1 - constant_index, data.node().op());
  if (producer == nullptr || !data.type().has_rank()) return std::nullopt;
  auto layer = match_layer(*producer);
  if (!layer) return std::nullopt;
  auto numbers = per_channel(*constant, data.type().rank(), layer->channel_axis, layer->channels);
  if (!numbers) return std::nullopt;
  AffineMatch found{.layer = std::move(*layer)};
  const std::vector<double> zeros(numbers->size(), 0.0);
  if (node.is(OpKind::mul) || node.is(OpKind::div)) {
    for (double& x : *numbers) x = node.is(OpKind::div) ? 1.0 / x : x;
    found.factor = std::move(*numbers);
    found.shift = zeros;
  } else {
    const bool negate_constant = node.is(OpKind::sub) && constant_index == 1;
    for (double& x : *numbers) x = negate_constant ? -x : x;
    found.shift = std::move(*numbers);
    if (node.is(OpKind::sub) && constant_index == 0) found.factor.assign(zeros.size(), -1.0);
  }
  if (!all_finite(found.factor) || !all_finite(found.shift)) return std::nullopt;
  if (!found.factor.empty() && found.layer.weight_shared) return std::nullopt;
  return found;
}

Result<Change> run_fuse_affine(ir::Graph& graph, const Options&, PassContext&) {
  Change change = Change::none;
  for (ir::Node& node : graph.nodes()) {
    const auto found = match_affine(node);
    if (!found) continue;
    scale_and_shift(graph, found->layer, found->factor, found->shift);
    replace_node(graph, node, found->layer.node->output());
    change = Change::changed;
  }
  return change;
}

}  // namespace

extern const PassInfo fuse_affine_pass = {
    "fuse-affine", "fold constant Mul, Div, Add and Sub into the Conv, ConvTranspose or Gemm before them",
    no_options,    run_fuse_affine,
    false,         false};

}  // namespace edgesmith::passes
