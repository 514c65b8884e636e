// SPDX-License-Identifier: Apache-2.0
// Recognises a Softmax that was spelled out.
//
//   %m = reduce_max %x, {-1}
//   %d = sub %x, %m
//   %e = exp %d
//   %s = reduce_sum %e, {-1}
//   %y = div %e, %s               =>   %y = softmax %x {axis=-1}
//
// Before opset 13 Softmax took the tensor for a matrix: there only along the last axis. Without the maximum the formula
// overflows where Softmax does not, and stays.
#include "passes/simplify/product.h"

namespace edgesmith::passes {
namespace {

using ir::OpKind;

constexpr int64_t kOpsetOfAxes = 13;

// The one axis that `node` reduces, keeping its dim.
std::optional<int64_t> reduced_axis(const ir::Node& node, int rank) {
  const ir::Tensor* axes = plain_constant(node, 1);
  if (axes == nullptr || axes->size() != 1 || node.attributes().get_int("keepdims", 1) == 0 || rank < 1) {
    return std::nullopt;
  }
  const int64_t axis = axes->to_int64s()[0];
  return axis < 0 ? axis + rank : axis;
}

bool fuse_softmax(ir::Graph& graph, ir::Node& node, const PassContext& context) {
  if (!node.is(OpKind::div) || !is_plain(node.output()) || node.output().type().dtype != ir::DType::f32) return false;
  ir::Value& powers = *node.input(0);
  const ir::Node* sum = sole(*node.input(1), OpKind::reduce_sum);
  if (sum == nullptr || sum->input(0) != &powers || !powers.node().is(OpKind::exp)) return false;
  if (!is_plain(powers) || powers.uses().size() != 2) return false;
  const ir::Node* difference = sole(*powers.node().input(0), OpKind::sub);
  const ir::Node* most = difference != nullptr ? sole(*difference->input(1), OpKind::reduce_max) : nullptr;
  if (most == nullptr || most->input(0) != difference->input(0)) return false;
  ir::Value& x = *most->input(0);
  const int rank = x.type().rank();
  const auto axis = reduced_axis(*sum, rank);
  if (!axis || axis != reduced_axis(*most, rank)) return false;
  if (*axis != rank - 1 && !has_opset(context, kOpsetOfAxes)) return false;
  ir::Node& fused = graph.insert_before(node, OpKind::softmax, {&x});
  fused.attributes().set("axis", *axis == rank - 1 ? int64_t{-1} : *axis);
  fused.set_name(node.name());
  replace_node(graph, node, fused.output());
  return true;
}

Result<Change> run_fuse_softmax(ir::Graph& graph, const Options&, PassContext& context) {
  return rewrite_nodes(graph, [&](ir::Graph& all, ir::Node& node) { return fuse_softmax(all, node, context); });
}

}  // namespace

extern const PassInfo fuse_softmax_pass = {
    "fuse-softmax", "recognise a Softmax that was spelled out", no_options, run_fuse_softmax, false, false};

}  // namespace edgesmith::passes
