// SPDX-License-Identifier: Apache-2.0
// Recognises a division by the L2 norm, as it is spelled out with a least norm.
//
//   %n = reduce_l2 %x, {1}
//   %c = clip %n, 1e-12            or max %n, 1e-12; and expand %c to the shape of %x
//   %y = div %x, %c                =>   %y = lp_normalization %x {axis=1}
//
// Both leave a line of zeros as it is; without a least norm the formula makes NaN of it, and stays. Lines that are not
// zero and shorter than 1e-12 come out longer than before.
#include "passes/simplify/product.h"

namespace edgesmith::passes {
namespace {

using ir::OpKind;

// Larger bounds are meant to do something.
constexpr double kLargestBound = 1.0001e-12;

// The norm behind a least value of at most kLargestBound.
const ir::Value* unbounded(ir::Value& value) {
  const ir::Node* node = sole(value, OpKind::clip);
  if (node != nullptr && node->num_inputs() > 2 && node->input(2) != nullptr) return nullptr;
  int least = 1;
  if (node == nullptr) {
    node = sole(value, OpKind::max);
    if (node == nullptr || node->num_inputs() != 2) return nullptr;
    least = number_of(*node, 0) ? 0 : 1;
  }
  const auto bound = number_of(*node, least);
  return bound && *bound > 0 && *bound <= kLargestBound ? node->input(1 - least) : nullptr;
}

bool fuse_lp_normalization(ir::Graph& graph, ir::Node& node) {
  if (!node.is(OpKind::div) || !is_plain(node.output()) || node.output().type().dtype != ir::DType::f32) return false;
  ir::Value& x = *node.input(0);
  ir::Value* divisor = node.input(1);
  if (const ir::Node* expand = sole(*divisor, OpKind::expand); expand != nullptr) {
    if (!x.type().has_rank() || !(node.output().type() == x.type())) return false;
    divisor = expand->input(0);
  }
  const ir::Value* norm = unbounded(*divisor);
  if (norm == nullptr || !norm->node().is(OpKind::reduce_l2) || !is_plain(*norm) || norm->uses().size() != 1)
    return false;
  const ir::Node& length = norm->node();
  const ir::Tensor* axes = plain_constant(length, 1);
  if (length.input(0) != &x || axes == nullptr || axes->size() != 1) return false;
  if (length.attributes().get_int("keepdims", 1) == 0) return false;
  ir::Node& fused = graph.insert_before(node, OpKind::lp_normalization, {&x});
  fused.attributes().set("axis", axes->to_int64s()[0]);
  fused.set_name(node.name());
  replace_node(graph, node, fused.output());
  return true;
}

Result<Change> run_fuse_lp_normalization(ir::Graph& graph, const Options&, PassContext&) {
  return rewrite_nodes(graph, fuse_lp_normalization);
}

}  // namespace

extern const PassInfo fuse_lp_normalization_pass = {"fuse-lp-normalization",
                                                    "recognise a division by the L2 norm",
                                                    no_options,
                                                    run_fuse_lp_normalization,
                                                    false,
                                                    false};

}  // namespace edgesmith::passes
