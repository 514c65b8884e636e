// SPDX-License-Identifier: Apache-2.0
// tile: x repeated repeats[k] times along every axis k (second operand: i64, one number an axis). Any element type.
#include <string>

#include "ops/check.h"
#include "ops/elements.h"
#include "ops/facts.h"
#include "ops/gradient_rules.h"
#include "ops/operands.h"

namespace edgesmith::ops::tile_op {
namespace {

Result<ir::Dims> tiled_dims(const ir::Dims& dims, const ir::Ints& repeats) {
  if (repeats.size() != dims.size()) {
    return invalid_error("there are " + std::to_string(repeats.size()) + " repeats for " + std::to_string(dims.size()) +
                         " axes");
  }
  ir::Dims tiled = dims;
  for (size_t d = 0; d < dims.size(); ++d) {
    if (repeats[d] < 0 || __builtin_mul_overflow(dims[d], repeats[d], &tiled[d])) {
      return invalid_error("repeats contains " + std::to_string(repeats[d]));
    }
  }
  return tiled;
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext& context) {
  const ir::Type& x = node.input(0)->type();
  ir::Type type{x.dtype, std::nullopt};
  if (!x.shape) return std::vector{type};
  const auto repeats = known_ints(node, 1, context, "repeats");
  if (!repeats) return repeats.error();
  type.shape = ir::Shape(x.shape->size());
  if (!*repeats) return std::vector{type};
  if ((*repeats)->size() != x.shape->size()) return tiled_dims(ir::Dims(x.shape->size()), **repeats).error();
  for (size_t d = 0; d < x.shape->size(); ++d) {
    const ir::Dim& dim = (*x.shape)[d];
    const int64_t repeat = (**repeats)[d];
    if (repeat == 1) (*type.shape)[d] = dim;
    if (!dim.known()) continue;
    const auto tiled = tiled_dims({dim.value()}, {repeat});
    if (!tiled) return tiled.error();
    (*type.shape)[d] = ir::Dim(tiled->front());
  }
  return std::vector{type};
}

Result<std::vector<ir::Tensor>> eval(const ir::Node&, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor& x = *inputs[0];
  const auto repeats = read_ints(*inputs[1], "repeats");
  if (!repeats) return repeats.error();
  const auto dims = tiled_dims(x.dims(), *repeats);
  if (!dims) return dims.error();
  EDGESMITH_TRY(check_size(x.dtype(), *dims));
  std::vector<std::vector<int64_t>> maps(dims->size());
  for (size_t d = 0; d < dims->size(); ++d) {
    for (int64_t i = 0; i < (*dims)[d]; ++i) maps[d].push_back(i % x.dims()[d]);
  }
  auto y = take(x, maps);
  if (!y) return y.error();
  return std::vector{std::move(*y)};
}

// dy seen as [repeats[0], dim 0, repeats[1], dim 1, ...], summed over the repeats.
Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  const Term dy = build.term(*outputs[0], node.output().type().dtype);
  ir::Value& dims = build.shape_of(*node.input(0));
  ir::Value& one = build.ints({0});
  ir::Value& rows = build.append(ir::OpKind::concat,
                                 {&build.append(ir::OpKind::unsqueeze, {node.input(1), &one}),
                                  &build.append(ir::OpKind::unsqueeze, {&dims, &one})},
                                 {{"axis", int64_t{0}}});
  ir::Value& pairs = build.append(ir::OpKind::transpose, {&rows}, {{"perm", ir::Ints{1, 0}}});
  ir::Value& apart = build.append(ir::OpKind::reshape, {&pairs, &build.ints({-1})});
  ir::Ints repeats;
  for (int d = 0; d < node.input(0)->type().rank(); ++d) repeats.push_back(2 * d);
  const Term split{&build, &build.append(ir::OpKind::reshape, {dy.value, &apart}), dy.dtype};
  return std::vector{reshape_like(reduce_sum(split, repeats, /*keep_dims=*/false), *node.input(0)).value};
}

}  // namespace

extern const OpInfo tile_info = {.kind = ir::OpKind::tile,
                                 .min_inputs = 2,
                                 .max_inputs = 2,
                                 .min_outputs = 1,
                                 .max_outputs = 1,
                                 .verify = no_attributes,
                                 .infer = infer,
                                 .eval = eval,
                                 .cost = no_cost,
                                 .quant = transparent_one,
                                 .gradient = gradient};

}  // namespace edgesmith::ops::tile_op
