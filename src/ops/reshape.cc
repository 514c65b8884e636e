// SPDX-License-Identifier: Apache-2.0
// Reshape: the elements of operand 0 in the same order with the dims of operand 1 (i64[n]). A dim of 0 is copied from
// the operand's dim at that place (with allowzero = 1 it is a 0), one dim may be -1: whatever is left. Attribute:
// allowzero = 0. Any type. Symbols survive: a copied dim keeps its own, and -1 becomes the symbol that is left when
// equal dims on both sides cancel. Quantized: the codes of operand 0.
#include <algorithm>
#include <string>

#include "ops/check.h"
#include "ops/contents.h"
#include "ops/facts.h"
#include "ops/gradient_rules.h"
#include "ops/slices.h"

namespace edgesmith::ops::reshape_op {
namespace {

bool allows_zero(const ir::Node& node) { return node.attributes().get_int("allowzero", 0) != 0; }

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(check_attributes(node, {{"allowzero", AttributeKind::integer}}));
  return check_flag(node, "allowzero");
}

Error wrong_size(const ir::Shape& from, const ir::Shape& to) {
  return invalid_error("cannot reshape " + ir::Type{ir::DType::undefined, from}.text().substr(9) + " to " +
                       ir::Type{ir::DType::undefined, to}.text().substr(9) + ": the numbers of elements differ");
}

/// The wanted dims: what is asked for, with 0 replaced by the operand's dim. `open` is the place of -1 (or of the only
/// dim that is not known), or -1.
struct Target {
  ir::Shape dims;
  std::vector<bool> copied;  ///< from the operand's dim at the same place
  int open = -1;
  int num_unknown = 0;
};

Result<Target> read_target(const std::vector<Element>& wanted, const ir::Shape& from, bool allow_zero) {
  Target target;
  for (size_t i = 0; i < wanted.size(); ++i) {
    const Element& element = wanted[i];
    if (element.number && *element.number < -1) {
      return invalid_error("dim " + std::to_string(i) + " of the shape is " + std::to_string(*element.number));
    }
    const bool copies = element.is(0) && !allow_zero;
    if (copies && i >= from.size()) {
      return invalid_error("dim " + std::to_string(i) + " of the shape is 0 (copy), but the operand has rank " +
                           std::to_string(from.size()));
    }
    if (element.is(-1) && target.open >= 0 && wanted[static_cast<size_t>(target.open)].is(-1)) {
      return invalid_error("dims " + std::to_string(target.open) + " and " + std::to_string(i) +
                           " of the shape are both -1");
    }
    const bool unknown = !element.number && element.symbol.empty();
    if (element.is(-1) || (unknown && target.num_unknown == 0)) target.open = static_cast<int>(i);
    target.num_unknown += element.is(-1) || unknown;
    target.copied.push_back(copies);
    target.dims.push_back(copies ? from[i] : dim_of(element));
  }
  return target;
}

// What is left of the operand's dims for the open dim: dims that are surely equal on both sides cancel.
Result<ir::Dim> remaining_dim(const ir::Shape& from, const Target& target) {
  std::vector<bool> used(from.size(), false);
  for (size_t i = 0; i < from.size(); ++i) used[i] = i < target.copied.size() && target.copied[i];
  int64_t divisor = 1;
  for (size_t i = 0; i < target.dims.size(); ++i) {
    const ir::Dim& dim = target.dims[i];
    if (static_cast<int>(i) == target.open || target.copied[i]) continue;
    if (dim.known()) {
      if (__builtin_mul_overflow(divisor, dim.value(), &divisor)) return ir::Dim();
      continue;
    }
    size_t same = 0;
    while (same < from.size() && (used[same] || !from[same].same_as(dim))) ++same;
    if (same == from.size()) return ir::Dim();
    used[same] = true;
  }
  ir::Shape left;
  int64_t number = 1;
  for (size_t i = 0; i < from.size(); ++i) {
    if (used[i]) continue;
    if (!from[i].known()) left.push_back(from[i]);
    if (from[i].known() && __builtin_mul_overflow(number, from[i].value(), &number)) return ir::Dim();
  }
  if (divisor == 0) return ir::Dim();
  if (left.empty()) {
    if (number % divisor != 0) return wrong_size(from, target.dims);
    return ir::Dim(number / divisor);
  }
  return left.size() == 1 && number == divisor ? left[0] : ir::Dim();
}

/// The shape of the result; unknown dims where they cannot be known.
Result<ir::Shape> reshaped(const std::vector<Element>& wanted, const ir::Shape& from, bool allow_zero) {
  auto target = read_target(wanted, from, allow_zero);
  if (!target) return target.error();
  ir::Shape out = target->dims;
  if (target->num_unknown == 1) {
    const auto remaining = remaining_dim(from, *target);
    if (!remaining) return remaining.error();
    out[static_cast<size_t>(target->open)] = *remaining;
  }
  const ir::Dim size = product(from), out_size = product(out);
  if (size.known() && out_size.known() && size.value() != out_size.value()) return wrong_size(from, out);
  return out;
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext& context) {
  const ir::Type& x = node.input(0)->type();
  const ir::Type& shape = node.input(1)->type();
  ir::Type type{x.dtype, std::nullopt};
  auto wanted = elements_of_operand(node, 1, context);
  if (!wanted && shape.rank() == 1 && (*shape.shape)[0].known() && (*shape.shape)[0].value() <= 64) {
    wanted.emplace(static_cast<size_t>((*shape.shape)[0].value()));  // the rank at least
  }
  if (!wanted) return std::vector{type};
  if (!x.has_rank()) {
    type.shape.emplace();
    for (const Element& element : *wanted) {
      type.shape->push_back(element.is(0) && !allows_zero(node) ? ir::Dim() : dim_of(element));
    }
    return std::vector{type};
  }
  auto out = reshaped(*wanted, *x.shape, allows_zero(node));
  if (!out) return out.error();
  type.shape = std::move(*out);
  pass_contents(node, context, type);
  return std::vector{type};
}

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor& x = *inputs[0];
  const auto wanted = read_ints(*inputs[1]);
  if (!wanted) return wanted.error();
  std::vector<Element> elements(wanted->size());
  for (size_t i = 0; i < wanted->size(); ++i) elements[i].number = (*wanted)[i];
  const auto shape = reshaped(elements, ir::to_shape(x.dims()), allows_zero(node));
  if (!shape) return shape.error();
  const auto dims = ir::Type{x.dtype(), *shape}.static_dims();
  if (!dims || ir::num_elements(*dims) != x.size()) return wrong_size(ir::to_shape(x.dims()), *shape);
  return std::vector{x.reshaped(*dims)};
}

// Where the shape is constant and no other dim is copied from the axis that a link names.
std::optional<ChannelRelation> channels(const ir::Node& node, int axis) {
  const ir::Tensor* target = node.input(1)->constant();
  if (target == nullptr) return std::nullopt;
  auto relation = reshaped_slices(node, axis);
  const ir::Ints dims = target->to_int64s();
  const auto copied = [&](int at) { return at < static_cast<int>(dims.size()) && dims[static_cast<size_t>(at)] == 0; };
  if (!relation || (copied(axis) && allows_zero(node))) return std::nullopt;
  std::erase_if(relation->links, [&](const SliceLink& link) {
    return link.axis == axis ? copied(axis) && !(link.to.single() && link.from.single())
                             : copied(axis) || copied(link.axis);
  });
  return relation->links.empty() ? std::nullopt : relation;
}

}  // namespace

extern const OpInfo reshape_info = {.kind = ir::OpKind::reshape,
                                    .min_inputs = 2,
                                    .max_inputs = 2,
                                    .min_outputs = 1,
                                    .max_outputs = 1,
                                    .verify = verify,
                                    .infer = infer,
                                    .eval = eval,
                                    .cost = no_cost,
                                    .quant = transparent_one,
                                    .channels = channels,
                                    .gradient = reshaped_gradient};

}  // namespace edgesmith::ops::reshape_op
