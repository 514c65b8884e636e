// SPDX-License-Identifier: Apache-2.0
// Writes operators in the form that runtimes fuse best; each rule is exact.
//
//   reduce_mean over all spatial dims, kept     =>   global_average_pool
//   mat_mul [M,K] x constant [K,N], then add    =>   gemm
#include <algorithm>

#include "passes/rewrite.h"

namespace edgesmith::passes {
namespace {

using ir::OpKind;

// ReduceMean over every axis from 2 on of a value of rank 4 (or more), keeping the dims.
bool reduce_mean_to_pool(ir::Graph& graph, ir::Node& node) {
  if (!node.is(OpKind::reduce_mean) || node.attributes().get_int("keepdims", 1) == 0) return false;
  const int rank = node.input(0)->type().rank();
  const ir::Tensor* axes = plain_constant(node, 1);
  if (rank < 3 || axes == nullptr || node.input(0)->type().dtype != ir::DType::f32) return false;
  ir::Ints sorted = axes->to_int64s();
  for (int64_t& axis : sorted) axis += axis < 0 ? rank : 0;
  std::sort(sorted.begin(), sorted.end());
  if (static_cast<int>(sorted.size()) != rank - 2) return false;
  for (size_t i = 0; i < sorted.size(); ++i) {
    if (sorted[i] != static_cast<int64_t>(i) + 2) return false;
  }
  graph.truncate_inputs(node, 1);
  node.attributes() = ir::Attributes();
  graph.set_op(node, OpKind::global_average_pool);
  return true;
}

// A matrix product with a constant matrix, and the bias added to it.
bool mat_mul_add_to_gemm(ir::Graph& graph, ir::Node& node) {
  if (!node.is(OpKind::add) || !is_plain(node.output())) return false;
  const int constant_index = node.input(1)->constant() != nullptr ? 1 : 0;
  const ir::Tensor* bias = plain_constant(node, constant_index);
  ir::Node* product = sole_producer(node, 1 - constant_index, OpKind::mat_mul);
  if (bias == nullptr || product == nullptr) return false;
  const ir::Tensor* weight = plain_constant(*product, 1);
  if (weight == nullptr || weight->rank() != 2 || weight->dtype() != ir::DType::f32) return false;
  if (product->input(0)->type().rank() != 2) return false;
  if (!per_channel(*bias, 2, 1, weight->dims()[1])) return false;
  graph.set_op(*product, OpKind::gemm);
  // A constant of its own right before it: the present one may stand after the product.
  const std::string bias_name = node.input(constant_index)->name();
  graph.set_input(*product, 2, &graph.add_constant(*bias, bias_name, product));
  replace_node(graph, node, product->output());
  return true;
}

Result<Change> run_canonicalize_ops(ir::Graph& graph, const Options&, PassContext&) {
  Change change = Change::none;
  for (ir::Node& node : graph.nodes()) {
    if (reduce_mean_to_pool(graph, node) || mat_mul_add_to_gemm(graph, node)) change = Change::changed;
  }
  return change;
}

}  // namespace

extern const PassInfo canonicalize_ops_pass = {"canonicalize-ops",
                                               "write operators in the form that runtimes fuse best",
                                               no_options,
                                               run_canonicalize_ops,
                                               false,
                                               false};

}  // namespace edgesmith::passes
