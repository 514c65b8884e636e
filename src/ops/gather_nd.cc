// SPDX-License-Identifier: Apache-2.0
// gather_nd: slices of x named by the last axis of `indices` (i32 or i64), which counts along the axes of x after its
// `batch_dims` (attribute, default 0) first: y has the dims of indices without the last, then those of a slice. Any
// element type.
#include <string>
#include <vector>

#include "ops/check.h"
#include "ops/elements.h"
#include "ops/facts.h"
#include "ops/gradient_rules.h"
#include "ops/index_tuples.h"
#include "ops/places.h"

namespace edgesmith::ops::gather_nd_op {
namespace {

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(check_attributes(node, {{"batch_dims", AttributeKind::integer}}));
  const int64_t batch = node.attributes().get_int("batch_dims", 0);
  return batch >= 0 ? Status{} : invalid_error("batch_dims is " + std::to_string(batch));
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext&) {
  const ir::Type &x = node.input(0)->type(), &indices = node.input(1)->type();
  ir::Type type{x.dtype, std::nullopt};
  if (!x.shape || !indices.shape || indices.shape->empty() || !indices.shape->back().known()) return std::vector{type};
  const int64_t first = node.attributes().get_int("batch_dims", 0) + indices.shape->back().value();
  if (first < 0 || first > x.rank()) {
    return invalid_error("indices are " + indices.text() + " for x " + x.text());
  }
  type.shape = ir::Shape(indices.shape->begin(), indices.shape->end() - 1);
  type.shape->insert(type.shape->end(), x.shape->begin() + first, x.shape->end());
  return std::vector{type};
}

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor &x = *inputs[0], &indices = *inputs[1];
  auto tuples = read_tuples(x, indices, node.attributes().get_int("batch_dims", 0));
  if (!tuples) return tuples.error();
  auto y = take_places(x, std::move(tuples->places), std::move(tuples->dims));
  if (!y) return y.error();
  return std::vector{std::move(*y)};
}

// Adds slices where they were picked. ScatterND knows no batch dims: then the places are picked like the elements.
Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  ir::Value& x = *node.input(0);
  const int64_t batch = node.attributes().get_int("batch_dims", 0);
  if (batch == 0) {
    return std::vector{&build.append(ir::OpKind::scatter_nd, {zeros_like(build, x).value, node.input(1), outputs[0]},
                                     {{"reduction", std::string("add")}})};
  }
  ir::Value& picked =
      build.append(ir::OpKind::gather_nd, {numbered(build, x).value, node.input(1)}, {{"batch_dims", batch}});
  const Term dy = build.term(*outputs[0], x.type().dtype);
  return std::vector{add_at_numbers(dy, build.term(picked, ir::DType::i64), x).value};
}

}  // namespace

extern const OpInfo gather_nd_info = {.kind = ir::OpKind::gather_nd,
                                      .min_inputs = 2,
                                      .max_inputs = 2,
                                      .min_outputs = 1,
                                      .max_outputs = 1,
                                      .verify = verify,
                                      .infer = infer,
                                      .eval = eval,
                                      .cost = no_cost,
                                      .quant = transparent_one,
                                      .gradient = gradient};

}  // namespace edgesmith::ops::gather_nd_op
