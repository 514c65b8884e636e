// SPDX-License-Identifier: Apache-2.0
// Squeeze: drops dims of 1: those named by operand 1 (i64 axes, negative count from the end), or all without it. A
// named dim that is not 1 is an error. Any type; no attributes. Quantized: the codes of operand 0.
#include <string>

#include "ops/check.h"
#include "ops/contents.h"
#include "ops/facts.h"
#include "ops/gradient_rules.h"
#include "ops/slices.h"

namespace edgesmith::ops::squeeze_op {
namespace {

// Which dims go; nothing when that hangs on a dim that is not known.
Result<std::optional<std::vector<bool>>> dropped_dims(const ir::Shape& shape, const ir::Tensor* axes) {
  std::vector<bool> dropped(shape.size(), false);
  if (axes == nullptr) {
    for (size_t d = 0; d < shape.size(); ++d) {
      if (!shape[d].known()) return std::optional<std::vector<bool>>();
      dropped[d] = shape[d].value() == 1;
    }
    return std::optional(dropped);
  }
  const auto list = read_ints(*axes);
  if (!list) return list.error();
  const auto positive = normalize_axes(*list, static_cast<int>(shape.size()));
  if (!positive) return positive.error();
  for (int axis : *positive) {
    const ir::Dim& dim = shape[static_cast<size_t>(axis)];
    if (dim.known() && dim.value() != 1) {
      return invalid_error("axis " + std::to_string(axis) + " has size " + dim.text() + ", only a size of 1 can go");
    }
    dropped[static_cast<size_t>(axis)] = true;
  }
  return std::optional(dropped);
}

Result<std::optional<ir::Shape>> squeezed(const ir::Shape& shape, const ir::Tensor* axes) {
  const auto dropped = dropped_dims(shape, axes);
  if (!dropped) return dropped.error();
  if (!dropped->has_value()) return std::optional<ir::Shape>();
  ir::Shape out;
  for (size_t d = 0; d < shape.size(); ++d) {
    if (!(**dropped)[d]) out.push_back(shape[d]);
  }
  return std::optional(out);
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext& context) {
  const ir::Type& x = node.input(0)->type();
  ir::Type type{x.dtype, std::nullopt};
  if (!x.has_rank()) return std::vector{type};
  const ir::Tensor* axes = node.input(1) == nullptr ? nullptr : context.constant(node, 1);
  if (node.input(1) != nullptr && axes == nullptr) return std::vector{type};
  auto shape = squeezed(*x.shape, axes);
  if (!shape) return shape.error();
  type.shape = std::move(*shape);
  pass_contents(node, context, type);
  return std::vector{type};
}

Result<std::vector<ir::Tensor>> eval(const ir::Node&, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor& x = *inputs[0];
  const auto shape = squeezed(ir::to_shape(x.dims()), inputs.size() > 1 ? inputs[1] : nullptr);
  if (!shape) return shape.error();
  return std::vector{x.reshaped(*ir::Type{x.dtype(), **shape}.static_dims())};
}

std::optional<ChannelRelation> channels(const ir::Node& node, int axis) {
  const auto& shape = node.input(0)->type().shape;
  const ir::Tensor* axes = node.input(1) == nullptr ? nullptr : node.input(1)->constant();
  if (!shape || (node.input(1) != nullptr && axes == nullptr)) return std::nullopt;
  const auto dropped = dropped_dims(*shape, axes);
  if (!dropped || !dropped->has_value()) return std::nullopt;
  int at = 0;
  for (size_t d = 0; d < shape->size(); ++d) {
    if ((**dropped)[d]) continue;
    if (at++ == axis) return ChannelRelation{.links = {{0, static_cast<int>(d)}}, .mixing = {}};
  }
  return std::nullopt;
}

}  // namespace

extern const OpInfo squeeze_info = {.kind = ir::OpKind::squeeze,
                                    .min_inputs = 1,
                                    .max_inputs = 2,
                                    .min_outputs = 1,
                                    .max_outputs = 1,
                                    .verify = no_attributes,
                                    .infer = infer,
                                    .eval = eval,
                                    .cost = no_cost,
                                    .quant = transparent_one,
                                    .channels = channels,
                                    .gradient = reshaped_gradient};

}  // namespace edgesmith::ops::squeeze_op
