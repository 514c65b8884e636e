// SPDX-License-Identifier: Apache-2.0
// Gives a Reshape whose computed shape is known, or copied from its operand, or all known but one dim, a constant one:
// the nodes that computed it have nothing left to do. Dims that nobody knows are followed through the graph, too: the
// length of what a Conv leaves is the same one wherever it turns up. What the model declares about the result is not
// asked: it may be stale.
//
//   %n = shape %x {end=1}
//   %s = concat %n, {200}
//   %y = reshape %x, %s      =>   %y = reshape %x, {0, 200}
#include <algorithm>

#include "edgesmith/ops/op_info.h"
#include "passes/rewrite.h"

namespace edgesmith::passes {
namespace {

using ir::OpKind;

// The shape in ONNX's terms: numbers, 0 for a dim of the operand at the same place, one -1 for what is left. -1 beside
// a copied dim would fail for one of size 0, which the computed shape allows.
std::optional<ir::Ints> stated(const ir::Shape& from, const ir::Shape& to) {
  ir::Ints dims;
  for (size_t d = 0; d < to.size(); ++d) {
    if (to[d].known()) {
      if (to[d].value() == 0) return std::nullopt;
      dims.push_back(to[d].value());
    } else {
      dims.push_back(d < from.size() && to[d].same_as(from[d]) ? 0 : -1);
    }
  }
  const auto copied = std::count(dims.begin(), dims.end(), 0), open = std::count(dims.begin(), dims.end(), -1);
  return open == 0 || (open == 1 && copied == 0) ? std::optional(dims) : std::nullopt;
}

// The wanted dims, with what inference came to know about those that the contents leave open (-1 and unknown numbers).
std::optional<ir::Shape> wanted(const ir::Node& node, const ops::Traced& traced) {
  const auto& contents = traced.known.contents[static_cast<size_t>(node.input(1)->id())];
  const auto& result = traced.shapes[static_cast<size_t>(node.output().id())];
  if (!contents || !result || contents->size() != result->size()) return std::nullopt;
  return result;
}

bool state(ir::Graph& graph, ir::Node& node, const ops::Traced& traced) {
  if (!node.is(OpKind::reshape) || node.input(1)->constant() != nullptr) return false;
  if (node.attributes().get_int("allowzero", 0) != 0) return false;
  const auto& from = traced.shapes[static_cast<size_t>(node.input(0)->id())];
  const auto to = wanted(node, traced);
  if (!from || !to) return false;
  const auto dims = stated(*from, *to);
  if (!dims) return false;
  auto tensor = ir::Tensor::of<int64_t>({static_cast<int64_t>(dims->size())}, *dims);
  graph.set_input(node, 1, &graph.add_constant(std::move(tensor), {}, &node));
  return true;
}

Result<Change> run_state_reshapes(ir::Graph& graph, const Options&, PassContext&) {
  EDGESMITH_TRY(ops::infer_types(graph));
  const auto traced = ops::infer_traced(graph);
  if (!traced) return traced.error();
  Change change = Change::none;
  for (ir::Node& node : graph.nodes()) {
    if (state(graph, node, *traced)) change = Change::changed;
  }
  return change;
}

}  // namespace

extern const PassInfo state_reshapes_pass = {"state-reshapes",
                                             "write the shape of a Reshape as a constant where it can be said",
                                             no_options,
                                             run_state_reshapes,
                                             false,
                                             false};

}  // namespace edgesmith::passes
