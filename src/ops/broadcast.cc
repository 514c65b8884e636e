// SPDX-License-Identifier: Apache-2.0
#include "ops/broadcast.h"

#include <algorithm>
#include <string>

namespace edgesmith::ops {
namespace {

std::string text_of(const ir::Shape& shape) {
  std::string text = ir::Type{ir::DType::undefined, shape}.text();
  return text.substr(text.find('['));
}

Error cannot_broadcast(const ir::Shape& a, const ir::Shape& b) {
  return invalid_error("shapes " + text_of(a) + " and " + text_of(b) + " do not broadcast",
                       "dims must be equal or 1, counted from the last");
}

ir::Dim broadcast_dim(const ir::Dim& a, const ir::Dim& b) {
  if (a.known() && a.value() == 1) return b;
  if (b.known() && b.value() == 1) return a;
  if (a.known()) return a;  // the other must be the same or 1
  if (b.known()) return b;
  return a.same_as(b) ? a : ir::Dim();
}

}  // namespace

Result<ir::Shape> broadcast_shapes(const ir::Shape& a, const ir::Shape& b) {
  ir::Shape out(std::max(a.size(), b.size()));
  for (size_t i = 0; i < out.size(); ++i) {  // i counts from the last dim
    const ir::Dim x = i < a.size() ? a[a.size() - 1 - i] : ir::Dim(1);
    const ir::Dim y = i < b.size() ? b[b.size() - 1 - i] : ir::Dim(1);
    if (x.known() && y.known() && x.value() != y.value() && x.value() != 1 && y.value() != 1) {
      return cannot_broadcast(a, b);
    }
    out[out.size() - 1 - i] = broadcast_dim(x, y);
  }
  return out;
}

Result<ir::Dims> broadcast_dims(const ir::Dims& a, const ir::Dims& b) {
  const auto shape = broadcast_shapes(ir::to_shape(a), ir::to_shape(b));
  if (!shape) return shape.error();
  ir::Dims dims;
  for (const ir::Dim& dim : *shape) dims.push_back(dim.value());
  return dims;
}

ir::Dims broadcast_strides(const ir::Dims& dims, const ir::Dims& to) {
  ir::Dims strides(to.size(), 0);
  int64_t stride = 1;
  for (size_t i = 0; i < dims.size(); ++i) {  // i counts from the last dim
    const int64_t dim = dims[dims.size() - 1 - i];
    if (dim != 1) strides[to.size() - 1 - i] = stride;
    stride *= dim;
  }
  return strides;
}

Result<std::optional<ir::Shape>> broadcast_operands(const ir::Node& node) {
  ir::Shape shape;
  for (int i = 0; i < node.num_inputs(); ++i) {
    if (node.input(i) == nullptr || !node.input(i)->type().has_rank()) return std::optional<ir::Shape>();
    auto wider = broadcast_shapes(shape, *node.input(i)->type().shape);
    if (!wider) return wider.error();
    shape = std::move(*wider);
  }
  return std::optional<ir::Shape>(std::move(shape));
}

Result<std::vector<ir::Type>> infer_broadcast(const ir::Node& node, InferContext&) {
  auto shape = broadcast_operands(node);
  if (!shape) return shape.error();
  return std::vector{ir::Type{node.input(0)->type().dtype, std::move(*shape)}};
}

Result<std::vector<ir::Type>> infer_comparison(const ir::Node& node, InferContext&) {
  auto shape = broadcast_operands(node);
  if (!shape) return shape.error();
  return std::vector{ir::Type{ir::DType::boolean, std::move(*shape)}};
}

Gradients both_sums(const ir::Node& node, const Term& a, const Term& b) {
  std::vector<ir::Value*> gradients(2);
  const Term terms[2] = {a, b};
  for (int i = 0; i < 2; ++i) {
    const Term& term = terms[i];
    if (term.build->wants(i)) gradients[static_cast<size_t>(i)] = sum_to(term, node.output(), *node.input(i)).value;
  }
  return gradients;
}

Gradients winner_gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  const Term y = build.term(node.output()), dy = build.term(*outputs[0], y.dtype), zero = build.number(0, y.dtype);
  std::vector<ir::Value*> gradients(static_cast<size_t>(node.num_inputs()));
  Term rest = dy;  // what no operand has got so far
  for (int i = 0; i < node.num_inputs(); ++i) {
    const Term wins = equal(build.term(*node.input(i)), y);
    if (build.wants(i)) {
      gradients[static_cast<size_t>(i)] = sum_to(where(wins, rest, zero), node.output(), *node.input(i)).value;
    }
    if (i + 1 < node.num_inputs()) rest = where(wins, zero, rest);
  }
  return gradients;
}

Status verify_broadcast(const ir::Node& node) {
  EDGESMITH_TRY(no_attributes(node));
  return check_all_same_dtype(node);
}

Cost variadic_cost(const ir::Node& node) {
  int64_t elements = 1;
  if (const auto& shape = node.output().type().shape) {
    for (const ir::Dim& dim : *shape) elements *= dim.known() ? dim.value() : 1;
  }
  return {.macs = 0, .flops = elements * std::max(1, node.num_inputs() - 1)};
}

Status check_same_dtype(const ir::Tensor& a, const ir::Tensor& b) {
  if (a.dtype() == b.dtype()) return {};
  return invalid_error("operands are " + a.type().text() + " and " + b.type().text() +
                       ", their element types must be the same");
}

Status check_divisor(const ir::Tensor& divisor) {
  if (!ir::is_integer(divisor.dtype())) return {};
  const std::vector<int64_t> values = divisor.to_int64s();
  const auto zero = std::find(values.begin(), values.end(), 0);
  if (zero == values.end()) return {};
  return invalid_error("integer division by zero: element " + std::to_string(zero - values.begin()) +
                       " of the divisor " + divisor.type().text() + " is 0");
}

}  // namespace edgesmith::ops
