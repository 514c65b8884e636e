// SPDX-License-Identifier: Apache-2.0
#include "ops/gradient_rules.h"

#include <numeric>
#include <string>

namespace edgesmith::ops {

using ir::OpKind;

namespace {

// A number [1] as a scalar.
ir::Value& scalar_of(GradientBuilder& build, ir::Value& number) {
  return build.append(OpKind::squeeze, {&number, &build.ints({0})});
}

}  // namespace

double Unary::attribute(std::string_view name, float fallback) const {
  return static_cast<double>(node.attributes().get_float(name, fallback));
}

Gradients apply_rule(UnaryRule rule, GradientBuilder& build, const ir::Node& node,
                     std::span<ir::Value* const> outputs) {
  const Term x = build.term(*node.input(0)), y = build.term(node.output());
  return std::vector{rule({build.term(*outputs[0], y.dtype), x, y, node}).value};
}

Term sum_to(const Term& gradient, const ir::Shape& from, ir::Value& target) {
  const ir::Shape& to = *target.type().shape;
  const size_t added = from.size() - to.size();
  ir::Ints leading, stretched;
  for (size_t d = 0; d < added; ++d) leading.push_back(static_cast<int64_t>(d));
  for (size_t d = 0; d < to.size(); ++d) {
    const ir::Dim &own = to[d], &result = from[added + d];
    if (own.known() && own.value() == 1) {
      if (!result.same_as(own)) stretched.push_back(static_cast<int64_t>(d));
    } else if (!own.known() && !result.same_as(own)) {
      ir::Value& shape = gradient.build->shape_of(target);
      return {gradient.build, &gradient.build->append(OpKind::sum_to_shape, {gradient.value, &shape}), gradient.dtype};
    }
  }
  ir::Ints axes = leading;
  for (const int64_t d : stretched) axes.push_back(d + static_cast<int64_t>(added));
  if (leading.empty()) return reduce_sum(gradient, axes, /*keep_dims=*/true);
  return unsqueeze(reduce_sum(gradient, axes, /*keep_dims=*/false), stretched);
}

Term sum_to(const Term& gradient, const ir::Value& result, ir::Value& target) {
  return sum_to(gradient, *result.type().shape, target);
}

Term reshape_like(const Term& term, ir::Value& target) {
  GradientBuilder& build = *term.build;
  ir::Ints dims;
  int open = 0;
  bool empty = false;
  for (const ir::Dim& dim : *target.type().shape) {
    dims.push_back(dim.known() ? dim.value() : -1);
    open += dim.known() ? 0 : 1;
    empty = empty || dims.back() == 0;
  }
  const bool known = open <= 1 && !empty;
  ir::Value& shape = known ? build.ints(dims) : build.shape_of(target);
  ir::Node& node = build.append_node(OpKind::reshape, {term.value, &shape}, 1);
  if (!known) node.attributes().set("allowzero", int64_t{1});  // a dim of 0 means 0
  return {&build, &node.output(), term.dtype};
}

Gradients reshaped_gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  return std::vector{reshape_like(build.term(*outputs[0], node.output().type().dtype), *node.input(0)).value};
}

Term expand_like(const Term& term, ir::Value& target) {
  GradientBuilder& build = *term.build;
  return {&build, &build.append(OpKind::expand, {term.value, &build.shape_of(target)}), term.dtype};
}

Term zeros_like(GradientBuilder& build, ir::Value& target) {
  return expand_like(build.number(0, target.type().dtype), target);
}

ir::Value& positions(GradientBuilder& build, ir::Value& size) {
  if (size.constant() != nullptr) {
    ir::Ints numbers(static_cast<size_t>(size.constant()->to_int64s()[0]));
    std::iota(numbers.begin(), numbers.end(), int64_t{0});
    return build.ints(numbers);
  }
  return build.append(
      OpKind::range, {&scalar_of(build, build.ints({0})), &scalar_of(build, size), &scalar_of(build, build.ints({1}))});
}

ir::Value& num_elements(GradientBuilder& build, ir::Value& value) {
  return build.append(OpKind::reduce_prod, {&build.shape_of(value)});
}

Term numbered(GradientBuilder& build, ir::Value& target) {
  const Term from_zero = build.term(positions(build, num_elements(build, target)), ir::DType::i64);
  return reshape_like(from_zero + build.term(build.ints({1})), target);
}

Term add_at_numbers(const Term& term, const Term& numbers, ir::Value& target) {
  GradientBuilder& build = *term.build;
  ir::Value& flat = build.ints({-1});
  ir::Value& elements = build.append(OpKind::reshape, {term.value, &flat});
  ir::Value& places = build.append(OpKind::reshape, {numbers.value, &flat});
  ir::Value& one = build.ints({1});
  ir::Value& size = build.append(OpKind::add, {&num_elements(build, target), &one});
  ir::Value& sums = build.append(OpKind::gather_gradient, {&elements, &places, &size});
  return reshape_like({&build, &build.append(OpKind::slice, {&sums, &one, &size, &build.ints({0})}), term.dtype},
                      target);
}

Term count_along(GradientBuilder& build, ir::Value& value, const ir::Ints& axes, ir::DType dtype) {
  double known = 1;
  ir::Value* open = nullptr;
  for (const int64_t axis : axes) {
    const ir::Dim& dim = (*value.type().shape)[static_cast<size_t>(axis)];
    if (dim.known()) {
      known *= static_cast<double>(dim.value());
      continue;
    }
    ir::Value& size = build.size_of(value, static_cast<int>(axis));
    open = open == nullptr ? &size : &build.append(OpKind::mul, {open, &size});
  }
  if (open == nullptr) return build.number(known, dtype);
  return cast(build.term(*open, ir::DType::i64), dtype) * known;
}

Term positions_along(GradientBuilder& build, ir::Value& value, int axis) {
  return build.term(positions(build, build.size_of(value, axis)), ir::DType::i64);
}

Term sum_over_channel(const Term& term, int rank) {
  ir::Ints axes;
  for (int d = 0; d < rank; ++d) {
    if (d != 1) axes.push_back(d);
  }
  return reduce_sum(term, axes, /*keep_dims=*/rank == 1);
}

Term along_channels(const Term& numbers, int rank) {
  ir::Ints axes;
  for (int d = 1; d + 1 < rank; ++d) axes.push_back(d);
  return unsqueeze(numbers, axes);
}

Result<ir::Ints> constant_ints(const ir::Node& node, int index, std::string_view what) {
  const ir::Tensor* tensor = node.input(index)->constant();
  if (tensor != nullptr) return tensor->to_int64s();
  return unsupported_error("its operand " + std::string(what) + " is not constant, which its gradient needs",
                           "simplify the model first");
}

}  // namespace edgesmith::ops
