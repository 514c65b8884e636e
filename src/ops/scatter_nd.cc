// SPDX-License-Identifier: Apache-2.0
// scatter_nd: x with slices replaced by those of `updates`, at the places that the last axis of `indices` (i32 or i64)
// names along the first axes of x. Attribute `reduction`: none (default; of several updates the last stays), add, mul,
// max, min. Any element type; reductions on numbers.
#include <string>
#include <vector>

#include "ops/check.h"
#include "ops/elements.h"
#include "ops/facts.h"
#include "ops/index_tuples.h"
#include "ops/places.h"
#include "ops/scatter_gradient.h"

namespace edgesmith::ops::scatter_nd_op {
namespace {

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(check_attributes(node, {{"reduction", AttributeKind::text}}));
  const auto reduction = reduction_named(node.attributes().get_string("reduction", "none"));
  if (!reduction) return reduction.error();
  return check_same_dtype(node, {0, 2});
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext&) { return std::vector{node.input(0)->type()}; }

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor &x = *inputs[0], &indices = *inputs[1], &updates = *inputs[2];
  const auto reduction = reduction_named(node.attributes().get_string("reduction", "none"));
  if (!reduction) return reduction.error();
  const auto tuples = read_tuples(x, indices, 0);
  if (!tuples) return tuples.error();
  if (updates.dims() != tuples->dims || updates.dtype() != x.dtype()) {
    return invalid_error("updates are " + updates.type().text() + " for x " + x.type().text() + " and indices " +
                         indices.type().text());
  }
  auto y = put_places(x, tuples->places, updates, *reduction);
  if (!y) return y.error();
  return std::vector{std::move(*y)};
}

}  // namespace

extern const OpInfo scatter_nd_info = {.kind = ir::OpKind::scatter_nd,
                                       .min_inputs = 3,
                                       .max_inputs = 3,
                                       .min_outputs = 1,
                                       .max_outputs = 1,
                                       .verify = verify,
                                       .infer = infer,
                                       .eval = eval,
                                       .cost = no_cost,
                                       .quant = nullptr,
                                       .gradient = scatter_gradient};

}  // namespace edgesmith::ops::scatter_nd_op
