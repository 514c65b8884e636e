// SPDX-License-Identifier: Apache-2.0
// max_unpool: the reverse of max_pool: zeros, with every element of x at the place in the tensor that max_pool took it
// from. Operands: x [N, C, ...], indices (i64, x's dims; places in a tensor of the natural output size), optional
// output_shape (i64). Attributes: kernel_shape (required), pads, strides. The natural size of an axis is (in - 1) *
// stride + kernel - pads. Any element type.
#include <string>
#include <vector>

#include "ops/check.h"
#include "ops/elements.h"
#include "ops/facts.h"
#include "ops/gradient_rules.h"
#include "ops/operands.h"
#include "ops/places.h"

namespace edgesmith::ops::max_unpool_op {
namespace {

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(check_attributes(node, {{"kernel_shape", AttributeKind::integers},
                                        {"pads", AttributeKind::integers},
                                        {"strides", AttributeKind::integers}}));
  if (!node.attributes().has("kernel_shape")) return invalid_error("attribute 'kernel_shape' is missing");
  return {};
}

Result<ir::Dims> natural_dims(const ir::Node& node, const ir::Dims& dims) {
  const ir::Ints kernel = node.attributes().get_ints("kernel_shape");
  const size_t axes = kernel.size();
  const ir::Ints strides = node.attributes().get_ints("strides", ir::Ints(axes, 1));
  const ir::Ints pads = node.attributes().get_ints("pads", ir::Ints(2 * axes, 0));
  if (dims.size() != axes + 2 || strides.size() != axes || pads.size() != 2 * axes) {
    return invalid_error("kernel_shape, strides and pads do not fit " + std::to_string(dims.size()) + " dims");
  }
  ir::Dims natural = dims;
  for (size_t a = 0; a < axes; ++a) {
    int64_t& dim = natural[a + 2];
    const bool fits = kernel[a] >= 1 && strides[a] >= 1 && pads[a] >= 0 && pads[a + axes] >= 0 && dim >= 1 &&
                      !__builtin_mul_overflow(dim - 1, strides[a], &dim) &&
                      !__builtin_add_overflow(dim, kernel[a], &dim) && !__builtin_sub_overflow(dim, pads[a], &dim) &&
                      !__builtin_sub_overflow(dim, pads[a + axes], &dim) && dim >= 0;
    if (!fits) return invalid_error("kernel_shape, strides and pads leave nothing of axis " + std::to_string(a + 2));
  }
  return natural;
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext&) {
  const ir::Type& x = node.input(0)->type();
  ir::Type type{x.dtype, std::nullopt};
  if (x.shape) type.shape = ir::Shape(x.shape->size());
  return std::vector{type};
}

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor &x = *inputs[0], &indices = *inputs[1];
  const auto natural = natural_dims(node, x.dims());
  if (!natural) return natural.error();
  auto places = read_indices(indices, "indices");
  if (!places) return places.error();
  if (indices.dims() != x.dims()) {
    return invalid_error("indices are " + indices.type().text() + " for x " + x.type().text());
  }
  ir::Dims dims = *natural;
  if (const ir::Tensor* shape = operand(inputs, 2)) {
    const auto given = read_ints(*shape, "output_shape");
    if (!given) return given.error();
    dims = *given;
    bool fits = dims.size() == natural->size();
    for (size_t d = 0; fits && d < dims.size(); ++d) fits = dims[d] >= (*natural)[d];
    if (!fits) return invalid_error("output_shape is smaller than the natural one");
  }
  auto y = make_tensor(x.dtype(), dims);
  if (!y) return y.error();
  const ir::Dims from = strides_of(*natural), to = strides_of(dims);
  for (int64_t& place : *places) {
    const auto inside = wrap_index(place, ir::num_elements(*natural));
    if (!inside) return inside.error();
    place = 0;
    for (size_t d = 0; d < dims.size(); ++d) place += *inside / from[d] % (*natural)[d] * to[d];
  }
  auto filled = put_places(*y, *places, x, Reduction::none);
  if (!filled) return filled.error();
  return std::vector{std::move(*filled)};
}

// Back from the places that the elements went to; of several that went to one place the last stayed.
Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  ir::Value& x = *node.input(0);
  const Term numbers = numbered(build, x);
  ir::Node& put = build.append_node(ir::OpKind::max_unpool, {numbers.value, node.input(1)}, 1);
  if (node.input(2) != nullptr) build.graph().set_input(put, 2, node.input(2));
  for (const auto& [name, value] : node.attributes()) put.attributes().set(name, value);
  const Term dy = build.term(*outputs[0], x.type().dtype);
  return std::vector{add_at_numbers(dy, build.term(put.output(), numbers.dtype), x).value};
}

}  // namespace

extern const OpInfo max_unpool_info = {.kind = ir::OpKind::max_unpool,
                                       .min_inputs = 2,
                                       .max_inputs = 3,
                                       .min_outputs = 1,
                                       .max_outputs = 1,
                                       .verify = verify,
                                       .infer = infer,
                                       .eval = eval,
                                       .cost = no_cost,
                                       .quant = nullptr,
                                       .gradient = gradient};

}  // namespace edgesmith::ops::max_unpool_op
