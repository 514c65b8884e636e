// SPDX-License-Identifier: Apache-2.0
// sum_to_shape: the transpose of Expand: x summed over the dims along which a tensor with the dims that the operand
// `shape` (i64 vector) lists is stretched when it is broadcast to x; y has these dims. A part of training graphs, where
// it is not known before whether a dim is 1; not in ONNX. Sums in f64. f32, f64; f16 and bf16 through f32.
#include "ops/broadcast.h"
#include "ops/elements.h"
#include "ops/operands.h"

namespace edgesmith::ops::sum_to_shape_op {
namespace {

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext& context) {
  return std::vector{ir::Type{node.input(0)->type().dtype, contents_or_unknowns(node, 1, context)}};
}

Result<std::vector<ir::Tensor>> eval(const ir::Node&, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor& x = *inputs[0];
  const auto dims = read_ints(*inputs[1], "shape");
  if (!dims) return dims.error();
  EDGESMITH_TRY(check_size(ir::DType::f64, *dims));
  const auto stretched = broadcast_dims(*dims, x.dims());
  if (!stretched) return stretched.error();
  if (*stretched != x.dims()) {
    return invalid_error("x is " + x.type().text() +
                         ", the shape asks for more: " + ir::type_of(x.dtype(), *stretched).text());
  }
  return dispatch(FloatTypes{}, x.dtype(), [&]<typename T>() -> Result<std::vector<ir::Tensor>> {
    ir::Tensor y = ir::Tensor::zeros(x.dtype(), *dims);
    std::vector<double> sums(static_cast<size_t>(y.size()));
    const T* from = x.data<T>().data();
    const StridedWalk<1> walk{x.dims(), {broadcast_strides(*dims, x.dims())}};
    walk_runs(walk, [&](int64_t position, const auto& offsets, int64_t count, const auto& steps) {
      double* cell = sums.data() + offsets[0];
      for (int64_t i = 0; i < count; ++i) cell[i * steps[0]] += static_cast<double>(from[position + i]);
    });
    const auto to = y.mutable_data<T>();
    for (size_t i = 0; i < sums.size(); ++i) to[i] = static_cast<T>(sums[i]);
    return std::vector{std::move(y)};
  });
}

Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  return std::vector{expand_like(build.term(*outputs[0], node.output().type().dtype), *node.input(0)).value};
}

}  // namespace

extern const OpInfo sum_to_shape_info = {.kind = ir::OpKind::sum_to_shape,
                                         .min_inputs = 2,
                                         .max_inputs = 2,
                                         .min_outputs = 1,
                                         .max_outputs = 1,
                                         .verify = no_attributes,
                                         .infer = infer,
                                         .eval = half_as_float<eval>,
                                         .cost = nullptr,
                                         .quant = nullptr,
                                         .gradient = gradient};

}  // namespace edgesmith::ops::sum_to_shape_op
