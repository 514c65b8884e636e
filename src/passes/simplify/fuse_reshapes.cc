// SPDX-License-Identifier: Apache-2.0
// A Reshape does not care how its input was reshaped before.
//
//   %a = flatten %x
//   %y = reshape %a, {-1, 8, 4}     =>   %y = reshape %x, {-1, 8, 4}
//
// Not when the shape holds a 0 that copies a dim of the input. A Transpose that moves only dims of 1 is a Reshape, too.
#include <algorithm>

#include "passes/rewrite.h"

namespace edgesmith::passes {
namespace {

using ir::OpKind;

// Dims longer than 1 stay in order.
bool moves_ones(const ir::Node& node) {
  if (!node.is(OpKind::transpose)) return false;
  const auto& shape = node.input(0)->type().shape;
  const ir::Ints& permutation = node.attributes().get_ints("perm");
  if (!shape || permutation.size() != shape->size()) return false;
  int64_t last = -1;
  for (const int64_t axis : permutation) {
    const ir::Dim& dim = (*shape)[static_cast<size_t>(axis)];
    if (dim.known() && dim.value() == 1) continue;
    if (axis < last) return false;
    last = axis;
  }
  return true;
}

bool only_reshapes(const ir::Node& node) {
  return moves_ones(node) || node.is(OpKind::reshape) || node.is(OpKind::flatten) || node.is(OpKind::squeeze) ||
         node.is(OpKind::unsqueeze);
}

bool fuse_reshapes(ir::Graph& graph, ir::Node& node) {
  if (!node.is(OpKind::reshape)) return false;
  ir::Node& first = node.input(0)->node();
  if (!only_reshapes(first) || !is_plain(first.output())) return false;
  const ir::Tensor* shape = plain_constant(node, 1);
  if (shape == nullptr) return false;
  const ir::Ints dims = shape->to_int64s();
  if (std::find(dims.begin(), dims.end(), 0) != dims.end()) return false;
  graph.set_input(node, 0, first.input(0));
  return true;
}

Result<Change> run_fuse_reshapes(ir::Graph& graph, const Options&, PassContext&) {
  return rewrite_nodes(graph, fuse_reshapes);
}

}  // namespace

extern const PassInfo fuse_reshapes_pass = {"fuse-reshapes", "skip a Reshape, Flatten or Squeeze before a Reshape",
                                            no_options,      run_fuse_reshapes,
                                            false,           false};

}  // namespace edgesmith::passes
