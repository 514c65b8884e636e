// SPDX-License-Identifier: Apache-2.0
// concat: operands of one rank and element type joined along `axis` (attribute; may be negative); all other dims are
// equal. Any element type.
#include <string>

#include "ops/check.h"
#include "ops/elements.h"
#include "ops/facts.h"
#include "ops/gradient_rules.h"
#include "ops/operands.h"
#include "ops/slices.h"

namespace edgesmith::ops::concat_op {
namespace {

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(check_attributes(node, {{"axis", AttributeKind::integer}}));
  if (!node.attributes().has("axis")) return invalid_error("attribute 'axis' is missing");
  return check_all_same_dtype(node);
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext& context) {
  ir::Type type{node.input(0)->type().dtype, std::nullopt};
  bool all_ranked = true;
  size_t axis = 0;
  for (int i = 0; i < node.num_inputs(); ++i) {
    if (node.input(i) == nullptr) return invalid_error("operand " + std::to_string(i) + " is missing");
    const auto& shape = node.input(i)->type().shape;
    if (!shape) {
      all_ranked = false;
    } else if (!type.shape) {
      const auto at = normalize_axis(node.attributes().get_int("axis", 0), static_cast<int>(shape->size()));
      if (!at) return at.error();
      axis = static_cast<size_t>(*at);
      type.shape = shape;
    } else {
      if (shape->size() != type.shape->size()) {
        return invalid_error("operands have ranks " + std::to_string(type.shape->size()) + " and " +
                             std::to_string(shape->size()) + ", must be the same");
      }
      for (size_t d = 0; d < shape->size(); ++d) {
        ir::Dim& dim = (*type.shape)[d];
        if (d == axis) {
          int64_t sum = 0;
          const bool known =
              dim.known() && (*shape)[d].known() && !__builtin_add_overflow(dim.value(), (*shape)[d].value(), &sum);
          dim = known ? ir::Dim(sum) : ir::Dim();
        } else if (const auto merged = ir::merge(dim, (*shape)[d])) {
          dim = *merged;
        } else {
          return invalid_error("operand " + std::to_string(i) + " has " + (*shape)[d].text() + " on axis " +
                               std::to_string(d) + ", the others have " + dim.text());
        }
      }
    }
  }
  if (!all_ranked && type.shape) (*type.shape)[axis] = ir::Dim();
  ir::Shape contents;
  for (int i = 0; i < node.num_inputs(); ++i) {
    const auto part = contents_or_unknowns(node, i, context);
    if (!part || node.input(i)->type().rank() != 1) return std::vector{type};
    contents.insert(contents.end(), part->begin(), part->end());
  }
  context.set_contents(node, 0, std::move(contents));
  return std::vector{type};
}

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const auto axis = normalize_axis(node.attributes().get_int("axis", 0), inputs[0]->rank());
  if (!axis) return axis.error();
  for (const ir::Tensor* part : inputs) {
    if (part == nullptr) return invalid_error("an operand is missing");
    ir::Dims dims = part->dims();
    if (part->rank() == inputs[0]->rank()) {
      dims[static_cast<size_t>(*axis)] = inputs[0]->dims()[static_cast<size_t>(*axis)];
    }
    if (part->dtype() == inputs[0]->dtype() && dims == inputs[0]->dims()) continue;
    return invalid_error("cannot join " + part->type().text() + " and " + inputs[0]->type().text() + " along axis " +
                         std::to_string(*axis));
  }
  auto joined = join(inputs, *axis);
  if (!joined) return joined.error();
  return std::vector{std::move(*joined)};
}

std::optional<ChannelRelation> channels(const ir::Node& node, int axis) {
  if (!node.output().type().has_rank()) return std::nullopt;
  const auto joined = normalize_axis(node.attributes().get_int("axis", 0), node.output().type().rank());
  if (!joined) return std::nullopt;
  ChannelRelation relation;
  int64_t first = 0;
  for (int i = 0; i < node.num_inputs(); ++i) {
    relation.links.push_back({.operand = i, .axis = axis, .to = {.first = first}});
    if (axis != *joined) continue;
    const auto size = size_along(*node.input(i), axis);
    if (!size) return std::nullopt;
    first += *size;
  }
  return relation;
}

Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  const auto axis = normalize_axis(node.attributes().get_int("axis", 0), node.output().type().rank());
  if (!axis) return axis.error();
  bool known = true;
  ir::Ints sizes;
  for (int i = 0; i < node.num_inputs(); ++i) {
    const ir::Dim& dim = (*node.input(i)->type().shape)[static_cast<size_t>(*axis)];
    known = known && dim.known();
    sizes.push_back(dim.known() ? dim.value() : 0);
  }
  ir::Value* split = known ? &build.ints(sizes) : nullptr;
  if (!known) {
    ir::Node& joined = build.append_node(ir::OpKind::concat, {}, 1, {{"axis", int64_t{0}}});
    for (int i = 0; i < node.num_inputs(); ++i)
      build.graph().set_input(joined, i, &build.size_of(*node.input(i), *axis));
    split = &joined.output();
  }
  const ir::Node& parts =
      build.append_node(ir::OpKind::split, {outputs[0], split}, node.num_inputs(), {{"axis", int64_t{*axis}}});
  std::vector<ir::Value*> gradients;
  for (int i = 0; i < node.num_inputs(); ++i) gradients.push_back(&parts.output(i));
  return gradients;
}

}  // namespace

extern const OpInfo concat_info = {.kind = ir::OpKind::concat,
                                   .min_inputs = 1,
                                   .max_inputs = -1,
                                   .min_outputs = 1,
                                   .max_outputs = 1,
                                   .verify = verify,
                                   .infer = infer,
                                   .eval = eval,
                                   .cost = no_cost,
                                   .quant = transparent_all,
                                   .channels = channels,
                                   .gradient = gradient};

}  // namespace edgesmith::ops::concat_op
