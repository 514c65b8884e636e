// SPDX-License-Identifier: Apache-2.0
// max_pool: the largest element of every window of x [N, C, spatial...]; optionally its flat position in x (i64).
//
// Attributes: auto_pad, ceil_mode, dilations, kernel_shape, pads, storage_order (1: positions count the first spatial
// axis fastest), strides. Padding never wins; a window without any input gives the lowest number (position -1). f32,
// f64, i8, u8 and wider integers; f16 and bf16 through f32.
#include <limits>

#include "ops/dispatch.h"
#include "ops/gradient_rules.h"
#include "ops/pool.h"
#include "ops/slices.h"

namespace edgesmith::ops::max_pool_op {
namespace {

using MaxTypes = NumberTypes;

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(verify_pool(node, {{"storage_order", AttributeKind::integer}}));
  return check_flag(node, "storage_order");
}

// A flat position within a plane counted with the first spatial axis fastest.
int64_t column_major(const ir::Dims& dims, int64_t position) {
  int64_t result = 0, scale = ir::num_elements(dims);
  for (size_t axis = dims.size(); axis-- > 0;) {
    scale /= dims[axis];
    result += position % dims[axis] * scale;
    position /= dims[axis];
  }
  return result;
}

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor& x = *inputs[0];
  const auto window = pool_window(node, x);
  if (!window) return window.error();
  auto y = make_tensor(x.dtype(), pooled_dims(x, *window));
  if (!y) return y.error();
  const bool wants_positions = node.num_outputs() > 1;
  const bool by_columns = node.attributes().get_int("storage_order", 0) != 0;
  auto positions = make_tensor(ir::DType::i64, wants_positions ? y->dims() : ir::Dims{0});
  if (!positions) return positions.error();
  return dispatch(MaxTypes{}, x.dtype(), [&]<typename T>() -> Result<std::vector<ir::Tensor>> {
    pool_planes<T>(x, *window, y->mutable_data<T>().data(), [&](const T* plane, int64_t, const Taps& taps) {
      const int64_t best = largest_of(plane, taps);
      return best < 0 ? std::numeric_limits<T>::lowest() : plane[best];
    });
    std::vector<ir::Tensor> outputs = {std::move(*y)};
    if (!wants_positions) return outputs;
    pool_planes<T>(x, *window, positions->mutable_data<int64_t>().data(),
                   [&](const T* plane, int64_t offset, const Taps& taps) {
                     const int64_t best = largest_of(plane, taps);
                     if (best < 0) return best;
                     return offset + (by_columns ? column_major(window->input, best) : best);
                   });
    outputs.push_back(std::move(*positions));
    return outputs;
  });
}

QuantFacts quant(const ir::Node&) { return {.kind = QuantFacts::Kind::transparent, .data_operands = {0}}; }

Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  if (outputs[0] == nullptr) return std::vector<ir::Value*>{};
  ir::Node& routed = build.append_node(ir::OpKind::max_pool_gradient, {node.input(0), outputs[0]}, 1);
  for (const auto& [name, value] : node.attributes()) {
    if (name != "storage_order") routed.attributes().set(name, value);
  }
  return std::vector{&routed.output()};
}

}  // namespace

extern const OpInfo max_pool_info = {.kind = ir::OpKind::max_pool,
                                     .min_inputs = 1,
                                     .max_inputs = 1,
                                     .min_outputs = 1,
                                     .max_outputs = 2,
                                     .verify = verify,
                                     .infer = infer_pool,
                                     .eval = half_as_float<eval>,
                                     .cost = nullptr,
                                     .quant = quant,
                                     .channels = same_planes,
                                     .gradient = gradient};

}  // namespace edgesmith::ops::max_pool_op
