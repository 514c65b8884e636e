// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/ops/gradient.h"

#include <algorithm>

#include "ops/dispatch.h"

namespace edgesmith::ops {

using ir::OpKind;

namespace {

Term binary(OpKind op, const Term& a, const Term& b, ir::DType dtype) {
  return {a.build, &a.build->append(op, {a.value, b.value}), dtype};
}

ir::Tensor tensor_of(const ir::Dims& dims, const std::vector<double>& values, ir::DType dtype) {
  if (dtype == ir::DType::f64) return ir::Tensor::of<double>(dims, values);
  const ir::Tensor single = ir::Tensor::of<float>(dims, std::vector<float>(values.begin(), values.end()));
  return dtype == ir::DType::f32 ? single : round_to_half(single, dtype);
}

// The first node behind the producer of `value` before which another node may stand: inputs and constants stay
// together at the head.
ir::Node& place_behind(ir::Value& value) {
  ir::Node* node = &value.node();
  do node = node->next();
  while (node->is(OpKind::input) || node->is(OpKind::constant) || node->erased());
  return *node;
}

}  // namespace

Term GradientBuilder::number(double value, ir::DType dtype) {
  for (const Number& known : numbers_) {
    if (known.value == value && known.dtype == dtype) return {this, known.made, dtype};
  }
  ir::Value& made = graph_.add_constant(tensor_of({}, {value}, dtype));
  numbers_.push_back({value, dtype, &made});
  return {this, &made, dtype};
}

Term GradientBuilder::constant(const ir::Dims& dims, const std::vector<double>& values, ir::DType dtype) {
  return {this, &graph_.add_constant(tensor_of(dims, values, dtype)), dtype};
}

ir::Value& GradientBuilder::ints(const ir::Ints& numbers) {
  for (const IntList& known : int_lists_) {
    if (known.numbers == numbers) return *known.made;
  }
  ir::Value& made = graph_.add_constant(ir::Tensor::of<int64_t>({static_cast<int64_t>(numbers.size())}, numbers));
  int_lists_.push_back({numbers, &made});
  return made;
}

ir::Node& GradientBuilder::append_node(OpKind op, std::initializer_list<ir::Value*> inputs, int num_outputs,
                                       std::initializer_list<NamedAttribute> attributes) {
  ir::Node& node = graph_.append(op, inputs, num_outputs);
  for (const auto& [name, value] : attributes) node.attributes().set(name, value);
  return node;
}

ir::Value& GradientBuilder::dims_between(ir::Value& value, int first, int last) {
  const auto& shape = value.type().shape;
  ir::Ints known;
  for (int d = first; shape && d < last && (*shape)[static_cast<size_t>(d)].known(); ++d) {
    known.push_back((*shape)[static_cast<size_t>(d)].value());
  }
  if (shape && static_cast<int>(known.size()) == last - first) return ints(known);
  for (const DimsOf& made : dims_) {
    if (made.value == value.id() && made.first == first && made.last == last) return *made.made;
  }
  ir::Node& node = graph_.insert_before(place_behind(value), OpKind::shape, {&value});
  if (first > 0) node.attributes().set("start", int64_t{first});
  if (last < value.type().rank()) node.attributes().set("end", int64_t{last});
  dims_.push_back({value.id(), first, last, &node.output()});
  return node.output();
}

ir::Value& GradientBuilder::shape_of(ir::Value& value) { return dims_between(value, 0, value.type().rank()); }

ir::Value& GradientBuilder::size_of(ir::Value& value, int axis) { return dims_between(value, axis, axis + 1); }

Term operator+(const Term& a, const Term& b) { return binary(OpKind::add, a, b, a.dtype); }
Term operator-(const Term& a, const Term& b) { return binary(OpKind::sub, a, b, a.dtype); }
Term operator*(const Term& a, const Term& b) { return binary(OpKind::mul, a, b, a.dtype); }
Term operator/(const Term& a, const Term& b) { return binary(OpKind::div, a, b, a.dtype); }
Term operator-(const Term& a) { return apply(OpKind::neg, a); }
Term operator+(const Term& a, double b) { return a + a.build->number(b, a.dtype); }
Term operator-(const Term& a, double b) { return a - a.build->number(b, a.dtype); }
Term operator*(const Term& a, double b) { return b == 1 ? a : a * a.build->number(b, a.dtype); }
Term operator/(const Term& a, double b) { return b == 1 ? a : a / a.build->number(b, a.dtype); }
Term operator+(double a, const Term& b) { return b.build->number(a, b.dtype) + b; }
Term operator-(double a, const Term& b) { return b.build->number(a, b.dtype) - b; }
Term operator*(double a, const Term& b) { return b * a; }
Term operator/(double a, const Term& b) { return b.build->number(a, b.dtype) / b; }

Term apply(OpKind op, const Term& a) { return {a.build, &a.build->append(op, {a.value}), a.dtype}; }
Term apply(OpKind op, const Term& a, const Term& b) { return binary(op, a, b, a.dtype); }
Term exp(const Term& a) { return apply(OpKind::exp, a); }
Term log(const Term& a) { return apply(OpKind::log, a); }
Term sqrt(const Term& a) { return apply(OpKind::sqrt, a); }

Term power(const Term& a, double exponent) {
  if (exponent == 1) return a;
  if (exponent == 2) return a * a;
  return apply(OpKind::pow, a, a.build->number(exponent, a.dtype));
}

Term less(const Term& a, const Term& b) { return binary(OpKind::less, a, b, ir::DType::boolean); }
Term less(const Term& a, double b) { return less(a, a.build->number(b, a.dtype)); }
Term greater(const Term& a, const Term& b) { return binary(OpKind::greater, a, b, ir::DType::boolean); }
Term greater(const Term& a, double b) { return greater(a, a.build->number(b, a.dtype)); }
Term equal(const Term& a, const Term& b) { return binary(OpKind::equal, a, b, ir::DType::boolean); }
Term equal(const Term& a, double b) { return equal(a, a.build->number(b, a.dtype)); }

Term where(const Term& condition, const Term& a, const Term& b) {
  return {a.build, &a.build->append(OpKind::where, {condition.value, a.value, b.value}), a.dtype};
}
Term where(const Term& condition, const Term& a, double b) { return where(condition, a, a.build->number(b, a.dtype)); }

Term cast(const Term& a, ir::DType dtype) {
  if (a.dtype == dtype) return a;
  return {a.build, &a.build->append(OpKind::cast, {a.value}, {{"to", static_cast<int64_t>(dtype)}}), dtype};
}

Term reduce_sum(const Term& a, const ir::Ints& axes, bool keep_dims) {
  if (axes.empty()) return a;
  return {a.build,
          &a.build->append(OpKind::reduce_sum, {a.value, &a.build->ints(axes)}, {{"keepdims", int64_t{keep_dims}}}),
          a.dtype};
}

Term unsqueeze(const Term& a, const ir::Ints& axes) {
  if (axes.empty()) return a;
  return {a.build, &a.build->append(OpKind::unsqueeze, {a.value, &a.build->ints(axes)}), a.dtype};
}

}  // namespace edgesmith::ops
