// SPDX-License-Identifier: Apache-2.0
// conv_weight_gradient: the gradient of the weight of a convolution, dw[m, c, k] = sum over n, o of dy[n, m, o] * x[n,
// c', o * stride + k * dilation - pad], where c' is channel c of m's group; outside x is 0. A part of training graphs;
// not in ONNX.
//
// Operands: x [N, C, spatial...], dy [N, M, positions...], as many positions as there are. Result [M, C / group,
// kernel_shape...]. Attributes: dilations, group, kernel_shape (needed), pads (begins, then ends, which have no meaning
// here), strides. Samples are added in order. f32, f64; f16 and bf16 through f32.
#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "ops/check.h"
#include "ops/columns.h"
#include "ops/convolution.h"
#include "ops/dispatch.h"
#include "ops/elements.h"
#include "ops/gradient_rules.h"
#include "ops/matrix_product.h"

namespace edgesmith::ops::conv_weight_gradient_op {
namespace {

// Columns of so many elements are made at a time.
constexpr int64_t kMaxColumnElements = int64_t{1} << 22;

int64_t groups_of(const ir::Node& node) { return node.attributes().get_int("group", 1); }

// Samples agree, and channels are whole groups, as far as the dims are known.
Status check_shapes(const ir::Node& node, const ir::Shape& x, const ir::Shape& dy) {
  const size_t rank = node.attributes().get_ints("kernel_shape").size() + 2;
  if (x.size() != rank || dy.size() != rank) {
    return invalid_error("operands have ranks " + std::to_string(x.size()) + " and " + std::to_string(dy.size()) +
                         ", kernel_shape needs rank " + std::to_string(rank));
  }
  if (!ir::merge(x[0], dy[0])) {
    return invalid_error("operands have " + x[0].text() + " and " + dy[0].text() + " samples");
  }
  const int64_t group = groups_of(node);
  for (const ir::Dim& channels : {x[1], dy[1]}) {
    if (!channels.known() || channels.value() % group == 0) continue;
    return invalid_error(channels.text() + " channels are not a multiple of group " + std::to_string(group));
  }
  return {};
}

Status verify(const ir::Node& node) {
  using enum AttributeKind;
  EDGESMITH_TRY(check_attributes(node, {{"dilations", integers},
                                        {"group", integer},
                                        {"kernel_shape", integers},
                                        {"pads", integers},
                                        {"strides", integers}}));
  const ir::Ints kernel = node.attributes().get_ints("kernel_shape");
  if (kernel.empty()) return invalid_error("attribute 'kernel_shape' is missing or empty");
  EDGESMITH_TRY(check_window(node, static_cast<int>(kernel.size())));
  if (groups_of(node) < 1) return invalid_error("group is " + std::to_string(groups_of(node)) + ", must be at least 1");
  EDGESMITH_TRY(check_same_dtype(node, {0, 1}));
  const auto &x = node.input(0)->type().shape, &dy = node.input(1)->type().shape;
  return x && dy ? check_shapes(node, *x, *dy) : Status{};
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext&) {
  const auto &x = node.input(0)->type().shape, &dy = node.input(1)->type().shape;
  ir::Shape shape(2);
  if (dy && dy->size() > 1) shape[0] = (*dy)[1];
  if (x && x->size() > 1 && (*x)[1].known()) shape[1] = ir::Dim((*x)[1].value() / groups_of(node));
  for (const int64_t size : node.attributes().get_ints("kernel_shape")) shape.emplace_back(size);
  return std::vector{ir::Type{node.input(0)->type().dtype, std::move(shape)}};
}

// One group of one sample: dw [rows, channels * taps] += dy [rows, outputs] * (columns of x [channels * taps,
// outputs])^T.
template <typename T>
void add_group(const Window& window, int64_t channels, int64_t rows, const T* x, const T* dy, T* dw) {
  const int64_t taps = ir::num_elements(window.kernel), plane = ir::num_elements(window.input);
  const int64_t outputs = ir::num_elements(window.output);
  const int64_t round = std::max<int64_t>(1, kMaxColumnElements / std::max<int64_t>(1, taps * outputs));
  std::vector<T> columns, product;
  for (int64_t first = 0; first < channels; first += round) {
    const int64_t count = std::min(round, channels - first), cols = count * taps;
    columns.resize(static_cast<size_t>(cols * outputs));
    for (int64_t c = 0; c < count; ++c) {
      gather_columns(window, x + (first + c) * plane, columns.data() + c * taps * outputs);
    }
    product.assign(static_cast<size_t>(rows * cols), T{0});
    add_product<T>({dy, rows, outputs, outputs}, {columns.data(), cols, outputs, outputs, /*transposed=*/true},
                   product.data());
    for (int64_t m = 0; m < rows; ++m) {
      T* to = dw + (m * channels + first) * taps;
      for (int64_t i = 0; i < cols; ++i) to[i] += product[static_cast<size_t>(m * cols + i)];
    }
  }
}

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor &x = *inputs[0], &dy = *inputs[1];
  EDGESMITH_TRY(check_shapes(node, ir::to_shape(x.dims()), ir::to_shape(dy.dims())));
  if (x.dtype() != dy.dtype()) return invalid_error("operands must have one element type");
  const ir::Ints kernel = node.attributes().get_ints("kernel_shape");
  const size_t axes = kernel.size();
  const ir::Ints pads = node.attributes().get_ints("pads", ir::Ints(2 * axes, 0));
  const Window window{spatial_dims(x.dims()),
                      kernel,
                      node.attributes().get_ints("strides", ir::Ints(axes, 1)),
                      node.attributes().get_ints("dilations", ir::Ints(axes, 1)),
                      ir::Ints(pads.begin(), pads.begin() + static_cast<int64_t>(axes)),
                      ir::Ints(axes, 0),
                      spatial_dims(dy.dims())};
  const int64_t group = groups_of(node), samples = x.dims()[0];
  const int64_t channels = x.dims()[1] / group, rows = dy.dims()[1] / group;
  ir::Dims dims = {dy.dims()[1], channels};
  dims.insert(dims.end(), kernel.begin(), kernel.end());
  auto dw = make_tensor(x.dtype(), dims);
  if (!dw) return dw.error();
  const int64_t taps = ir::num_elements(kernel), outputs = ir::num_elements(window.output);
  EDGESMITH_TRY(check_size(x.dtype(), {taps, outputs}));
  return dispatch(FloatTypes{}, x.dtype(), [&]<typename T>() -> Result<std::vector<ir::Tensor>> {
    const int64_t plane = ir::num_elements(window.input);
    for (int64_t block = 0; block < samples * group && outputs > 0; ++block) {
      add_group<T>(window, channels, rows, x.data<T>().data() + block * channels * plane,
                   dy.data<T>().data() + block * rows * outputs,
                   dw->mutable_data<T>().data() + block % group * rows * channels * taps);
    }
    return std::vector{std::move(*dw)};
  });
}

// As the convolution that it belongs to: every weight once an element of a channel of dy.
Cost cost(const ir::Node& node) {
  const ir::Type& dy = node.input(1)->type();
  Cost cost{.macs = known_elements(node.output().type()), .flops = 0};
  for (size_t d = 0; dy.shape && d < dy.shape->size(); ++d) {
    if (d == 1 || !(*dy.shape)[d].known()) continue;
    if (__builtin_mul_overflow(cost.macs, (*dy.shape)[d].value(), &cost.macs)) {
      cost.macs = std::numeric_limits<int64_t>::max();
    }
  }
  return cost;
}

}  // namespace

extern const OpInfo conv_weight_gradient_info = {.kind = ir::OpKind::conv_weight_gradient,
                                                 .min_inputs = 2,
                                                 .max_inputs = 2,
                                                 .min_outputs = 1,
                                                 .max_outputs = 1,
                                                 .verify = verify,
                                                 .infer = infer,
                                                 .eval = half_as_float<eval>,
                                                 .cost = cost,
                                                 .quant = nullptr,
                                                 .no_gradient = kSecondDerivative};

}  // namespace edgesmith::ops::conv_weight_gradient_op
