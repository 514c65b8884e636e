// SPDX-License-Identifier: Apache-2.0
// Shape: the dims of the operand from `start` to before `end` as i64[n]. Attributes: start = 0, end = rank; negative
// ones count from the end, both are clamped to [0, rank], and the result is empty where start >= end. Any type. The
// contents are stated with their symbols: this is where shape arithmetic begins.
#include <algorithm>

#include "ops/check.h"
#include "ops/facts.h"
#include "ops/gradient_rules.h"

namespace edgesmith::ops::shape_op {
namespace {

Status verify(const ir::Node& node) {
  return check_attributes(node, {{"start", AttributeKind::integer}, {"end", AttributeKind::integer}});
}

int64_t clamped(int64_t place, int64_t rank) { return std::clamp(place < 0 ? place + rank : place, int64_t{0}, rank); }

// The dims in [start, end).
template <typename Dim>
std::vector<Dim> cut(const ir::Node& node, const std::vector<Dim>& dims) {
  const auto rank = static_cast<int64_t>(dims.size());
  const int64_t start = clamped(node.attributes().get_int("start", 0), rank);
  const int64_t end = clamped(node.attributes().get_int("end", rank), rank);
  if (start >= end) return {};
  return std::vector<Dim>(dims.begin() + start, dims.begin() + end);
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext& context) {
  const ir::Type& x = node.input(0)->type();
  if (!x.has_rank()) return std::vector{ir::Type{ir::DType::i64, ir::Shape(1)}};
  ir::Shape dims = cut(node, *x.shape);
  const auto length = static_cast<int64_t>(dims.size());
  context.set_contents(node, 0, std::move(dims));
  return std::vector{ir::type_of(ir::DType::i64, {length})};
}

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Dims dims = cut(node, inputs[0]->dims());
  return std::vector{ir::Tensor::of<int64_t>({static_cast<int64_t>(dims.size())}, dims)};
}

}  // namespace

extern const OpInfo shape_info = {.kind = ir::OpKind::shape,
                                  .min_inputs = 1,
                                  .max_inputs = 1,
                                  .min_outputs = 1,
                                  .max_outputs = 1,
                                  .verify = verify,
                                  .infer = infer,
                                  .eval = eval,
                                  .cost = no_cost,
                                  .quant = nullptr,
                                  .no_gradient = kShapeCode};

}  // namespace edgesmith::ops::shape_op
