// SPDX-License-Identifier: Apache-2.0
// Moves a zero Pad of the spatial dims into the padding of the Conv (or zero-counting AveragePool) that reads it.
//
//   %p = pad %x, {0,0,1,1, 0,0,1,1}
//   %y = conv %p, %w {pads=[0,0,0,0]}     =>   %y = conv %x, %w {pads=[1,1,1,1]}
#include "passes/simplify/fuse_pad.h"

#include "passes/rewrite.h"

namespace edgesmith::passes {
namespace {

using ir::OpKind;

// Pads of every dim, begins then ends, when the Pad is a constant-mode zero padding with known amounts.
std::optional<ir::Ints> zero_pads(const ir::Node& pad) {
  if (pad.attributes().get_string("mode", "constant") != "constant" || !pad.input(0)->type().has_rank()) {
    return std::nullopt;
  }
  const auto rank = static_cast<size_t>(pad.input(0)->type().rank());
  const ir::Tensor* amounts = plain_constant(pad, 1);
  if (amounts == nullptr) return std::nullopt;
  if (pad.input(2) != nullptr) {
    const ir::Tensor* value = plain_constant(pad, 2);
    if (value == nullptr || value->size() != 1 || value->to_floats()[0] != 0.0f) return std::nullopt;
  }
  const ir::Ints given = amounts->to_int64s();
  if (pad.input(3) == nullptr) return given.size() == 2 * rank ? std::optional(given) : std::nullopt;
  const ir::Tensor* axes = plain_constant(pad, 3);
  if (axes == nullptr) return std::nullopt;
  const ir::Ints axis_list = axes->to_int64s();
  if (given.size() != 2 * axis_list.size()) return std::nullopt;
  ir::Ints pads(2 * rank, 0);
  for (size_t i = 0; i < axis_list.size(); ++i) {
    const auto axis = static_cast<size_t>(axis_list[i] < 0 ? axis_list[i] + static_cast<int64_t>(rank) : axis_list[i]);
    if (axis >= rank) return std::nullopt;
    pads[axis] = given[i];
    pads[rank + axis] = given[axis_list.size() + i];
  }
  return pads;
}

// The reader's own pads ([begins, ends] of the spatial dims), when zeros may be added to them.
std::optional<ir::Ints> extendable_pads(const ir::Node& node, size_t spatial) {
  const std::string auto_pad = node.attributes().get_string("auto_pad", "NOTSET");
  if (auto_pad != "NOTSET" && auto_pad != "VALID") return std::nullopt;
  ir::Ints pads = auto_pad == "VALID" ? ir::Ints{} : node.attributes().get_ints("pads");
  pads.resize(2 * spatial, 0);
  if (node.is(OpKind::conv)) return pads;
  if (!node.is(OpKind::average_pool) || node.attributes().get_int("ceil_mode", 0) != 0) return std::nullopt;
  // Padded zeros count in the mean, so the pool must count its own padding too, or have none.
  if (node.attributes().get_int("count_include_pad", 0) == 0 && pads != ir::Ints(2 * spatial, 0)) return std::nullopt;
  return pads;
}

}  // namespace

bool fuse_pad(ir::Graph& graph, ir::Node& node) {
  if (!node.is(OpKind::conv) && !node.is(OpKind::average_pool)) return false;
  ir::Node& pad = node.input(0)->node();
  if (!pad.is(OpKind::pad) || !is_plain(pad.output())) return false;
  const auto amounts = zero_pads(pad);
  if (!amounts || amounts->size() < 6) return false;
  const size_t rank = amounts->size() / 2, spatial = rank - 2;
  auto pads = extendable_pads(node, spatial);
  if (!pads) return false;
  for (size_t d = 0; d < rank; ++d) {
    const int64_t begin = (*amounts)[d], end = (*amounts)[rank + d];
    if (begin < 0 || end < 0 || (d < 2 && (begin != 0 || end != 0))) return false;
    if (d < 2) continue;
    (*pads)[d - 2] += begin;
    (*pads)[spatial + d - 2] += end;
  }
  // Runtimes refuse a pool that is padded by its kernel or more, which would make means of padding alone.
  const ir::Ints kernel = node.attributes().get_ints("kernel_shape");
  for (size_t i = 0; i < pads->size() && node.is(OpKind::average_pool); ++i) {
    if ((*pads)[i] >= kernel[i % spatial]) return false;
  }
  node.attributes().set("pads", *pads);
  node.attributes().erase("auto_pad");
  if (node.is(OpKind::average_pool)) node.attributes().set("count_include_pad", int64_t{1});
  graph.set_input(node, 0, pad.input(0));
  return true;
}

namespace {

Result<Change> run_fuse_pad(ir::Graph& graph, const Options&, PassContext&) {
  Change change = Change::none;
  for (ir::Node& node : graph.nodes()) {
    if (!fuse_pad(graph, node)) continue;
    change = Change::changed;
  }
  return change;
}

}  // namespace

extern const PassInfo fuse_pad_pass = {
    "fuse-pad", "move zero padding into the Conv or AveragePool that reads it", no_options, run_fuse_pad, false, false};

}  // namespace edgesmith::passes
