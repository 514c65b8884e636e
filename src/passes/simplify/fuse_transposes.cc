// SPDX-License-Identifier: Apache-2.0
// Merges a Transpose of a Transpose.
//
//   %a = transpose %x {perm=[0,2,3,1]}
//   %y = transpose %a {perm=[0,3,1,2]}    =>   %y = transpose %x {perm=[0,1,2,3]}     (eliminate-identities removes it)
#include "passes/rewrite.h"

namespace edgesmith::passes {
namespace {

using ir::OpKind;

// The permutation of a Transpose; absent means reversed.
std::optional<ir::Ints> permutation(const ir::Node& node) {
  ir::Ints perm = node.attributes().get_ints("perm");
  if (!perm.empty()) return perm;
  if (!node.input(0)->type().has_rank()) return std::nullopt;
  for (int d = node.input(0)->type().rank() - 1; d >= 0; --d) perm.push_back(d);
  return perm;
}

bool fuse_transposes(ir::Graph& graph, ir::Node& node) {
  if (!node.is(OpKind::transpose)) return false;
  ir::Node& first = node.input(0)->node();
  if (!first.is(OpKind::transpose) || !is_plain(first.output())) return false;
  const auto inner = permutation(first), outer = permutation(node);
  if (!inner || !outer || inner->size() != outer->size()) return false;
  ir::Ints merged;
  for (const int64_t axis : *outer) merged.push_back((*inner)[static_cast<size_t>(axis)]);
  node.attributes().set("perm", merged);
  graph.set_input(node, 0, first.input(0));
  return true;
}

Result<Change> run_fuse_transposes(ir::Graph& graph, const Options&, PassContext&) {
  return rewrite_nodes(graph, fuse_transposes);
}

}  // namespace

extern const PassInfo fuse_transposes_pass = {
    "fuse-transposes", "merge a Transpose of a Transpose", no_options, run_fuse_transposes, false, false};

}  // namespace edgesmith::passes
