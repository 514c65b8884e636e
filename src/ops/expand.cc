// SPDX-License-Identifier: Apache-2.0
// expand: x broadcast with the shape that the second operand (i64 vector) lists, both ways as numpy does: a dim of x
// that is larger than the listed one stays. Any element type.
#include "ops/broadcast.h"
#include "ops/check.h"
#include "ops/elements.h"
#include "ops/facts.h"
#include "ops/gradient_rules.h"
#include "ops/operands.h"
#include "ops/slices.h"

namespace edgesmith::ops::expand_op {
namespace {

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext& context) {
  const ir::Type& x = node.input(0)->type();
  ir::Type type{x.dtype, std::nullopt};
  const auto target = contents_or_unknowns(node, 1, context);
  if (!x.shape || !target || node.input(1)->type().rank() == 0) return std::vector{type};
  auto shape = broadcast_shapes(*x.shape, *target);
  if (!shape) return shape.error();
  type.shape = std::move(*shape);
  return std::vector{type};
}

Result<std::vector<ir::Tensor>> eval(const ir::Node&, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor& x = *inputs[0];
  const auto target = read_ints(*inputs[1], "shape");
  if (!target) return target.error();
  const auto dims = broadcast_dims(x.dims(), *target);
  if (!dims) return dims.error();
  auto y = rearrange(x, *dims, broadcast_strides(x.dims(), *dims));
  if (!y) return y.error();
  return std::vector{std::move(*y)};
}

// Along axes that are not stretched, where the shape is constant.
std::optional<ChannelRelation> channels(const ir::Node& node, int axis) {
  const int own = axis - (node.output().type().rank() - node.input(0)->type().rank());
  const auto size = size_along(node.output(), axis);
  if (node.input(1)->constant() == nullptr || own < 0 || !size || size_along(*node.input(0), own) != size)
    return std::nullopt;
  return ChannelRelation{.links = {{0, own}}, .mixing = {}};
}

Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  const Term dy = build.term(*outputs[0], node.output().type().dtype);
  return std::vector{sum_to(dy, node.output(), *node.input(0)).value};
}

}  // namespace

extern const OpInfo expand_info = {.kind = ir::OpKind::expand,
                                   .min_inputs = 2,
                                   .max_inputs = 2,
                                   .min_outputs = 1,
                                   .max_outputs = 1,
                                   .verify = no_attributes,
                                   .infer = infer,
                                   .eval = eval,
                                   .cost = no_cost,
                                   .quant = transparent_one,
                                   .channels = channels,
                                   .gradient = gradient};

}  // namespace edgesmith::ops::expand_op
