// SPDX-License-Identifier: Apache-2.0
// Unsqueeze: puts dims of 1 where operand 1 (i64 axes of the result, negative count from the end) says. Any type; no
// attributes. Quantized: the codes of operand 0.
#include <algorithm>

#include "ops/check.h"
#include "ops/contents.h"
#include "ops/facts.h"
#include "ops/gradient_rules.h"
#include "ops/slices.h"

namespace edgesmith::ops::unsqueeze_op {
namespace {

// By dim of the result: whether it is a new one.
Result<std::vector<bool>> added_dims(size_t rank, const ir::Tensor& axes) {
  const auto list = read_ints(axes);
  if (!list) return list.error();
  const auto positive = normalize_axes(*list, static_cast<int>(rank + list->size()));
  if (!positive) return positive.error();
  std::vector<bool> added(rank + list->size(), false);
  for (int axis : *positive) added[static_cast<size_t>(axis)] = true;
  return added;
}

Result<ir::Shape> unsqueezed(const ir::Shape& shape, const ir::Tensor& axes) {
  const auto added = added_dims(shape.size(), axes);
  if (!added) return added.error();
  ir::Shape out;
  size_t next = 0;
  for (const bool is_new : *added) out.push_back(is_new ? ir::Dim(1) : shape[next++]);
  return out;
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext& context) {
  const ir::Type& x = node.input(0)->type();
  const ir::Type& axes_type = node.input(1)->type();
  ir::Type type{x.dtype, std::nullopt};
  if (!x.has_rank()) return std::vector{type};
  const ir::Tensor* axes = context.constant(node, 1);
  if (axes == nullptr) {
    const auto count = axes_type.static_dims();
    if (count && count->size() == 1 && (*count)[0] <= 64) {
      type.shape = ir::Shape(x.shape->size() + static_cast<size_t>((*count)[0]));
    }
    return std::vector{type};
  }
  auto shape = unsqueezed(*x.shape, *axes);
  if (!shape) return shape.error();
  type.shape = std::move(*shape);
  pass_contents(node, context, type);
  return std::vector{type};
}

Result<std::vector<ir::Tensor>> eval(const ir::Node&, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor& x = *inputs[0];
  const auto shape = unsqueezed(ir::to_shape(x.dims()), *inputs[1]);
  if (!shape) return shape.error();
  return std::vector{x.reshaped(*ir::Type{x.dtype(), *shape}.static_dims())};
}

std::optional<ChannelRelation> channels(const ir::Node& node, int axis) {
  const auto& shape = node.input(0)->type().shape;
  const ir::Tensor* axes = node.input(1)->constant();
  if (!shape || axes == nullptr) return std::nullopt;
  const auto added = added_dims(shape->size(), *axes);
  if (!added || (*added)[static_cast<size_t>(axis)]) return std::nullopt;
  const auto before = std::count(added->begin(), added->begin() + axis, false);
  return ChannelRelation{.links = {{0, static_cast<int>(before)}}, .mixing = {}};
}

}  // namespace

extern const OpInfo unsqueeze_info = {.kind = ir::OpKind::unsqueeze,
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
                                      .gradient = reshaped_gradient};

}  // namespace edgesmith::ops::unsqueeze_op
