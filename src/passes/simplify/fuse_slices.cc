// SPDX-License-Identifier: Apache-2.0
// Merges a Slice of a Slice along other axes.
//
//   %a = slice %x, {0}, {9}, {1}
//   %y = slice %a, {2}, {5}, {2}    =>   %y = slice %x, {0, 2}, {9, 5}, {1, 2}, {1, 1}
#include <algorithm>
#include <numeric>

#include "passes/rewrite.h"

namespace edgesmith::passes {
namespace {

using ir::OpKind;

struct Cuts {
  ir::Ints starts, ends, axes, steps;
};

// What a Slice takes, where all of it is constant.
std::optional<Cuts> cuts_of(const ir::Node& node) {
  const auto& type = node.input(0)->type();
  const auto numbers = [&](int index) -> std::optional<ir::Ints> {
    const ir::Tensor* tensor = plain_constant(node, index);
    return tensor != nullptr ? std::optional(tensor->to_int64s()) : std::nullopt;
  };
  const auto given = [&](int index) { return index < node.num_inputs() && node.input(index) != nullptr; };
  const auto starts = numbers(1), ends = numbers(2);
  if (!starts || !ends || !type.has_rank()) return std::nullopt;
  ir::Ints counted(starts->size());
  std::iota(counted.begin(), counted.end(), 0);
  auto axes = given(3) ? numbers(3) : counted;
  const auto steps = given(4) ? numbers(4) : ir::Ints(starts->size(), 1);
  if (!axes || !steps) return std::nullopt;
  for (int64_t& axis : *axes) axis += axis < 0 ? type.rank() : 0;
  return Cuts{*starts, *ends, *axes, *steps};
}

bool fuse_slices(ir::Graph& graph, ir::Node& node) {
  if (!node.is(OpKind::slice) || !is_plain(node.output())) return false;
  const ir::Node& first = node.input(0)->node();
  if (!first.is(OpKind::slice) || !is_plain(first.output()) || first.output().uses().size() != 1) return false;
  auto cuts = cuts_of(first);
  const auto more = cuts_of(node);
  if (!cuts || !more) return false;
  for (const int64_t axis : more->axes) {
    if (std::find(cuts->axes.begin(), cuts->axes.end(), axis) != cuts->axes.end()) return false;
  }
  std::vector<ir::Value*> operands = {first.input(0)};
  for (const auto part : {&Cuts::starts, &Cuts::ends, &Cuts::axes, &Cuts::steps}) {
    ir::Ints& all = (*cuts).*part;
    all.insert(all.end(), ((*more).*part).begin(), ((*more).*part).end());
    operands.push_back(
        &graph.add_constant(ir::Tensor::of<int64_t>({static_cast<int64_t>(all.size())}, all), {}, &node));
  }
  ir::Node& merged = graph.insert_before(node, OpKind::slice, operands);
  replace_node(graph, node, merged.output());
  return true;
}

Result<Change> run_fuse_slices(ir::Graph& graph, const Options&, PassContext&) {
  return rewrite_nodes(graph, fuse_slices);
}

}  // namespace

extern const PassInfo fuse_slices_pass = {
    "fuse-slices", "merge a Slice of a Slice along other axes", no_options, run_fuse_slices, false, false};

}  // namespace edgesmith::passes
