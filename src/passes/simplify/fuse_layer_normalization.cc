// SPDX-License-Identifier: Apache-2.0
// Recognises a LayerNormalization that was spelled out, with its scale (and shift), where the model's opset has it.
//
//   %m = reduce_mean %x, {-1}
//   %d = sub %x, %m
//   %q = pow %d, 2                   or %d times %d
//   %v = reduce_mean %q, {-1}
//   %e = add %v, 1e-5
//   %s = sqrt %e
//   %n = div %d, %s
//   %g = mul %n, %scale
//   %y = add %g, %shift              =>   %y = layer_normalization %x, %scale, %shift {epsilon=1e-5}
#include <algorithm>

#include "passes/simplify/product.h"

namespace edgesmith::passes {
namespace {

using ir::OpKind;

constexpr int64_t kOpset = 17;

// The first of the axes that `node` averages over, keeping dims, when they are all from there to the last one.
std::optional<int64_t> first_axis(const ir::Node& node, int rank) {
  const ir::Tensor* axes = plain_constant(node, 1);
  if (axes == nullptr || axes->size() < 1 || node.attributes().get_int("keepdims", 1) == 0) return std::nullopt;
  ir::Ints sorted = axes->to_int64s();
  for (int64_t& axis : sorted) axis += axis < 0 ? rank : 0;
  std::sort(sorted.begin(), sorted.end());
  const int64_t first = rank - static_cast<int64_t>(sorted.size());
  for (size_t i = 0; i < sorted.size(); ++i) {
    if (sorted[i] != first + static_cast<int64_t>(i)) return std::nullopt;
  }
  return first;
}

// The constant of exactly the normalized dims among the operands of `node`; null when there is none.
ir::Value* parameter_of(const ir::Node& node, const ir::Value& x, int64_t axis) {
  for (int i = 0; i < 2; ++i) {
    const ir::Tensor* tensor = plain_constant(node, i);
    if (tensor == nullptr || tensor->dtype() != ir::DType::f32) continue;
    const ir::Shape& shape = *x.type().shape;
    ir::Dims dims;
    for (size_t d = static_cast<size_t>(axis); d < shape.size(); ++d) {
      if (!shape[d].known()) return nullptr;
      dims.push_back(shape[d].value());
    }
    return tensor->dims() == dims ? node.input(i) : nullptr;
  }
  return nullptr;
}

struct Normalized {
  ir::Value* x;
  int64_t axis;
  double epsilon;
};

// What `node`, a Div, normalizes.
std::optional<Normalized> match_normalized(const ir::Node& node) {
  ir::Value& difference = *node.input(0);
  const ir::Node* root = sole(*node.input(1), OpKind::sqrt);
  const auto sum = root != nullptr ? shifted(*root->input(0)) : std::nullopt;
  const ir::Node* variance = sum && sum->shift > 0 ? sole(*sum->value, OpKind::reduce_mean) : nullptr;
  if (variance == nullptr || !difference.node().is(OpKind::sub) || !is_plain(difference)) return std::nullopt;
  ir::Value& square = *variance->input(0);
  if (square.uses().size() != 1) return std::nullopt;
  const Product product = product_of(square);
  if (product.scale != 1 || product.factors.size() != 2 || product.factors[0] != &difference ||
      product.factors[1] != &difference || product.nodes.size() != 1) {
    return std::nullopt;
  }
  // The difference is read by the square (twice when it is a Mul) and by the Div.
  const size_t reads = product.nodes[0]->is(OpKind::mul) ? 3 : 2;
  if (difference.uses().size() != reads) return std::nullopt;
  ir::Value& x = *difference.node().input(0);
  const ir::Node* mean = sole(*difference.node().input(1), OpKind::reduce_mean);
  const int rank = x.type().rank();
  if (mean == nullptr || mean->input(0) != &x || rank < 1) return std::nullopt;
  const auto axis = first_axis(*mean, rank);
  if (!axis || axis != first_axis(*variance, rank)) return std::nullopt;
  return Normalized{&x, *axis, sum->shift};
}

bool fuse_layer_normalization(ir::Graph& graph, ir::Node& node) {
  if (!node.is(OpKind::mul) || !is_plain(node.output()) || node.output().type().dtype != ir::DType::f32) return false;
  ir::Node* quotient = nullptr;
  for (int i = 0; i < 2 && quotient == nullptr; ++i) quotient = sole_producer(node, i, OpKind::div);
  const auto found = quotient != nullptr ? match_normalized(*quotient) : std::nullopt;
  ir::Value* scale = found ? parameter_of(node, *found->x, found->axis) : nullptr;
  if (scale == nullptr) return false;
  ir::Node* last = &node;
  ir::Value* shift = nullptr;
  if (node.output().uses().size() == 1 && node.output().uses()[0].node->is(OpKind::add)) {
    ir::Node& sum = *node.output().uses()[0].node;
    if (is_plain(sum.output())) shift = parameter_of(sum, *found->x, found->axis);
    if (shift != nullptr) last = &sum;
  }
  std::vector<ir::Value*> operands = {found->x, scale};
  if (shift != nullptr) operands.push_back(shift);
  ir::Node& fused = graph.insert_before(*last, OpKind::layer_normalization, operands);
  fused.attributes().set("axis", found->axis - found->x->type().rank());
  fused.attributes().set("epsilon", static_cast<float>(found->epsilon));
  fused.set_name(last->name());
  replace_node(graph, *last, fused.output());
  return true;
}

Result<Change> run_fuse_layer_normalization(ir::Graph& graph, const Options&, PassContext& context) {
  if (!has_opset(context, kOpset)) return Change::none;
  return rewrite_nodes(graph, fuse_layer_normalization);
}

}  // namespace

extern const PassInfo fuse_layer_normalization_pass = {"fuse-layer-normalization",
                                                       "recognise a LayerNormalization that was spelled out",
                                                       no_options,
                                                       run_fuse_layer_normalization,
                                                       false,
                                                       false};

}  // namespace edgesmith::passes
