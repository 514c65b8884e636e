// SPDX-License-Identifier: Apache-2.0
// scatter_elements: x with y[i, indices[i, j, ...], ...] = updates[i, j, ...], the index standing on `axis` (default
// 0; negative ones count from the end). Operands: x, indices (i32 or i64), updates of indices' dims. Attribute
// `reduction`: none (default; of several updates the last stays), add, mul, max, min. Any element type; reductions on
// numbers.
#include <string>
#include <vector>

#include "ops/check.h"
#include "ops/elements.h"
#include "ops/facts.h"
#include "ops/places.h"
#include "ops/scatter_gradient.h"

namespace edgesmith::ops::scatter_elements_op {
namespace {

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(check_attributes(node, {{"axis", AttributeKind::integer}, {"reduction", AttributeKind::text}}));
  const auto reduction = reduction_named(node.attributes().get_string("reduction", "none"));
  if (!reduction) return reduction.error();
  EDGESMITH_TRY(check_same_dtype(node, {0, 2}));
  const ir::Type& x = node.input(0)->type();
  if (!x.has_rank()) return {};
  const auto axis = normalize_axis(node.attributes().get_int("axis", 0), x.rank());
  return axis ? Status{} : axis.error();
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext&) { return std::vector{node.input(0)->type()}; }

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor &x = *inputs[0], &indices = *inputs[1], &updates = *inputs[2];
  const auto reduction = reduction_named(node.attributes().get_string("reduction", "none"));
  if (!reduction) return reduction.error();
  if (updates.dims() != indices.dims() || updates.dtype() != x.dtype()) {
    return invalid_error("updates are " + updates.type().text() + " for x " + x.type().text() + " and indices " +
                         indices.type().text());
  }
  const auto places = element_places(x, indices, node.attributes().get_int("axis", 0));
  if (!places) return places.error();
  auto y = put_places(x, *places, updates, *reduction);
  if (!y) return y.error();
  return std::vector{std::move(*y)};
}

}  // namespace

extern const OpInfo scatter_elements_info = {.kind = ir::OpKind::scatter_elements,
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

}  // namespace edgesmith::ops::scatter_elements_op
