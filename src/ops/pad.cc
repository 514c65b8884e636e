// SPDX-License-Identifier: Apache-2.0
// pad: x with elements added around it (or, for negative pads, cut away). Operands: x, pads (i64: begins of all axes,
// then ends), optional constant_value (one element, default 0), optional axes (default: all). Attribute mode: constant
// (default), reflect (without repeating the edge), edge, wrap. Any element type.
#include <numeric>
#include <string>

#include "ops/check.h"
#include "ops/elements.h"
#include "ops/facts.h"
#include "ops/gradient_rules.h"
#include "ops/operands.h"
#include "ops/slices.h"

namespace edgesmith::ops::pad_op {
namespace {

struct AxisPads {
  int64_t begin = 0, end = 0;
};

// Pads of every axis from the operands' numbers.
Result<std::vector<AxisPads>> pads_of(size_t rank, const ir::Ints& pads, const std::optional<ir::Ints>& axes) {
  ir::Ints all(rank);
  std::iota(all.begin(), all.end(), 0);
  const auto named = normalize_axes(axes ? *axes : all, static_cast<int>(rank));
  if (!named) return named.error();
  if (pads.size() != 2 * named->size()) {
    return invalid_error("there are " + std::to_string(pads.size()) + " pads for " + std::to_string(named->size()) +
                         " axes, must be two an axis");
  }
  std::vector<AxisPads> result(rank);
  for (size_t i = 0; i < named->size(); ++i) {
    result[static_cast<size_t>((*named)[i])] = {pads[i], pads[i + named->size()]};
  }
  return result;
}

// The size of a padded axis. Errors: invalid when more is cut away than there is, io when it is absurdly large.
Result<int64_t> padded_size(int64_t dim, AxisPads pads) {
  int64_t size = 0;
  if (__builtin_add_overflow(dim, pads.begin, &size) || __builtin_add_overflow(size, pads.end, &size) || size < 0) {
    return invalid_error("pads of " + std::to_string(pads.begin) + " and " + std::to_string(pads.end) +
                         " are not possible on " + std::to_string(dim) + " elements");
  }
  return size;
}

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(check_attributes(node, {{"mode", AttributeKind::text}}));
  const std::string mode = node.attributes().get_string("mode", "constant");
  if (mode != "constant" && mode != "reflect" && mode != "edge" && mode != "wrap") {
    return invalid_error("mode is '" + mode + "', must be constant, reflect, edge or wrap");
  }
  return check_same_dtype(node, {0, 2});
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext& context) {
  ir::Type type = node.input(0)->type();
  if (!type.shape) return std::vector{type};
  const auto numbers = known_ints(node, 1, context, "pads");
  if (!numbers) return numbers.error();
  const auto axes = known_ints(node, 3, context, "axes");
  if (!axes) return axes.error();
  if (!*numbers || (!*axes && node.input(3) != nullptr)) {
    type.shape = ir::Shape(type.shape->size());
    return std::vector{type};
  }
  const auto pads = pads_of(type.shape->size(), **numbers, *axes);
  if (!pads) return pads.error();
  for (size_t d = 0; d < pads->size(); ++d) {
    ir::Dim& dim = (*type.shape)[d];
    const AxisPads& axis = (*pads)[d];
    if (axis.begin == 0 && axis.end == 0) continue;
    if (!dim.known()) {
      dim = ir::Dim();
      continue;
    }
    const auto size = padded_size(dim.value(), axis);
    if (!size) return size.error();
    dim = ir::Dim(*size);
  }
  return std::vector{type};
}

// Where an element at `position` (outside or inside of [0, dim)) comes from; -1: the constant.
int64_t source_of(int64_t position, int64_t dim, std::string_view mode) {
  if (position >= 0 && position < dim) return position;
  if (mode == "constant") return -1;
  if (mode == "edge") return position < 0 ? 0 : dim - 1;
  const int64_t period = mode == "wrap" ? dim : std::max<int64_t>(1, 2 * (dim - 1));
  const int64_t phase = (position % period + period) % period;
  return phase < dim ? phase : period - phase;
}

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor& x = *inputs[0];
  const ir::Tensor *value = operand(inputs, 2), *named = operand(inputs, 3);
  const auto numbers = read_ints(*inputs[1], "pads");
  if (!numbers) return numbers.error();
  std::optional<ir::Ints> axes;
  if (named != nullptr) {
    auto ints = read_ints(*named, "axes");
    if (!ints) return ints.error();
    axes = std::move(*ints);
  }
  const auto pads = pads_of(x.dims().size(), *numbers, axes);
  if (!pads) return pads.error();
  if (value != nullptr && (value->dtype() != x.dtype() || value->size() != 1)) {
    return invalid_error("constant_value is " + value->type().text() + ", must be one element of type " +
                         std::string(ir::dtype_name(x.dtype())));
  }
  const std::string mode = node.attributes().get_string("mode", "constant");
  ir::Dims dims;
  for (size_t d = 0; d < pads->size(); ++d) {
    const auto size = padded_size(x.dims()[d], (*pads)[d]);
    if (!size) return size.error();
    if (*size > 0 && x.dims()[d] == 0 && mode != "constant") {
      return invalid_error("axis " + std::to_string(d) + " is empty, mode " + mode + " cannot pad it");
    }
    dims.push_back(*size);
  }
  EDGESMITH_TRY(check_size(x.dtype(), dims));
  std::vector<std::vector<int64_t>> maps(dims.size());
  for (size_t d = 0; d < dims.size(); ++d) {
    for (int64_t i = 0; i < dims[d]; ++i) {
      maps[d].push_back(source_of(i - (*pads)[d].begin, x.dims()[d], mode));
    }
  }
  auto y = take(x, maps, value);
  if (!y) return y.error();
  return std::vector{std::move(*y)};
}

// The padding value must be representable as a code; constant 0 always is.
QuantFacts quant(const ir::Node&) { return {.kind = QuantFacts::Kind::transparent, .data_operands = {0}}; }

// Axes without padding.
// Along an axis that gets constants, x lies between them: what is added is made of no operand.
std::optional<ChannelRelation> channels(const ir::Node& node, int axis) {
  const int rank = node.input(0)->type().rank();
  const ir::Tensor* amounts = node.input(1)->constant();
  const ir::Value* axes = node.input(3);
  if (rank < 0 || amounts == nullptr || (axes != nullptr && axes->constant() == nullptr)) return std::nullopt;
  std::optional<ir::Ints> named;
  if (axes != nullptr) named = axes->constant()->to_int64s();
  const auto pads = pads_of(static_cast<size_t>(rank), amounts->to_int64s(), named);
  if (!pads) return std::nullopt;
  const AxisPads own = (*pads)[static_cast<size_t>(axis)];
  const bool constant = node.attributes().get_string("mode", "constant") == "constant";
  if (constant && own.begin >= 0 && own.end >= 0 && size_along(*node.input(0), axis)) {
    return ChannelRelation{.links = {{.operand = 0, .axis = axis, .to = {.first = own.begin}}}, .mixing = {}};
  }
  return untouched_slices(node, axis, own.begin != 0 || own.end != 0);
}

// Modes that repeat elements of x. Where pads or sizes are only known when the graph runs: by where padding takes the
// numbers of the elements.
Term moved_gradient(GradientBuilder& build, const ir::Node& node, const Term& dy) {
  ir::Value& x = *node.input(0);
  const Term numbers = numbered(build, x);
  ir::Node& repeated = build.append_node(ir::OpKind::pad, {numbers.value, node.input(1)}, 1,
                                         {{"mode", node.attributes().get_string("mode", "constant")}});
  if (node.input(3) != nullptr) build.graph().set_input(repeated, 3, node.input(3));
  return add_at_numbers(dy, build.term(repeated.output(), numbers.dtype), x);
}

// Else every padded axis is a Gather, undone by adding up.
Result<Term> folded_gradient(GradientBuilder& build, const ir::Node& node, Term dy) {
  ir::Value& x = *node.input(0);
  const ir::Value *listed = node.input(1), *axes = node.input(3);
  if (listed->constant() == nullptr || (axes != nullptr && axes->constant() == nullptr)) {
    return moved_gradient(build, node, dy);
  }
  std::optional<ir::Ints> named;
  if (axes != nullptr) named = axes->constant()->to_int64s();
  const auto pads = pads_of(x.type().shape->size(), listed->constant()->to_int64s(), named);
  if (!pads) return pads.error();
  for (size_t d = 0; d < pads->size(); ++d) {
    const auto [begin, end] = (*pads)[d];
    if ((begin != 0 || end != 0) && !(*x.type().shape)[d].known()) return moved_gradient(build, node, dy);
  }
  const std::string mode = node.attributes().get_string("mode", "constant");
  for (size_t d = 0; d < pads->size(); ++d) {
    const auto [begin, end] = (*pads)[d];
    if (begin == 0 && end == 0) continue;
    const int64_t size = (*x.type().shape)[d].value();
    ir::Ints map;
    for (int64_t i = -begin; i < size + end; ++i) map.push_back(source_of(i, size, mode));
    const auto axis = static_cast<int>(d);
    dy.value = &build.append(ir::OpKind::gather_gradient, {dy.value, &build.ints(map), &build.size_of(x, axis)},
                             {{"axis", int64_t{axis}}});
  }
  return dy;
}

// Padding with a constant is undone by the opposite pads; the constant gets what x does not.
Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  ir::Value& x = *node.input(0);
  const ir::DType dtype = x.type().dtype;
  const std::string mode = node.attributes().get_string("mode", "constant");
  std::vector<ir::Value*> gradients(3);
  if (mode != "constant") {
    auto folded = folded_gradient(build, node, build.term(*outputs[0], dtype));
    if (!folded) return folded.error();
    gradients[0] = folded->value;
    return gradients;
  }
  const ir::Tensor* known = node.input(1)->constant();
  ir::Value* opposite = nullptr;
  if (known != nullptr) {
    ir::Ints pads = known->to_int64s();
    for (int64_t& pad : pads) pad = -pad;
    opposite = &build.ints(pads);
  } else {
    opposite = &build.append(ir::OpKind::neg, {node.input(1)});
  }
  ir::Node& made = build.append_node(ir::OpKind::pad, {outputs[0], opposite}, 1);
  if (node.input(3) != nullptr) build.graph().set_input(made, 3, node.input(3));
  gradients[0] = &made.output();
  if (build.wants(2)) {
    ir::Ints all(x.type().shape->size());
    std::iota(all.begin(), all.end(), 0);
    const Term everything = reduce_sum(build.term(*outputs[0], dtype), all, /*keep_dims=*/false);
    const Term own = reduce_sum(build.term(made.output(), dtype), all, /*keep_dims=*/false);
    gradients[2] = reshape_like(everything - own, *node.input(2)).value;
  }
  return gradients;
}

}  // namespace

extern const OpInfo pad_info = {.kind = ir::OpKind::pad,
                                .min_inputs = 2,
                                .max_inputs = 4,
                                .min_outputs = 1,
                                .max_outputs = 1,
                                .verify = verify,
                                .infer = infer,
                                .eval = eval,
                                .cost = no_cost,
                                .quant = quant,
                                .channels = channels,
                                .gradient = gradient};

}  // namespace edgesmith::ops::pad_op
